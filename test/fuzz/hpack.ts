import { deepStrictEqual, ok } from 'node:assert/strict';
import type { Random } from '../../lib/random.ts';
import { COMPRESSION, DECODED, HpackDecoder, MALFORMED } from '../../sidecar/http/h2/hpack/decoder.ts';
import { HpackEncoder } from '../../sidecar/http/h2/hpack/encoder.ts';
import { Head, MAX_HEAD } from '../../sidecar/http/message/head.ts';
import { NodeDecoder } from '../harness/node-hpack.ts';
import { mutate } from './mutate.ts';

const latin1 = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1');

// Whole fields, some of them of RFC 7541 appendix C.
const fields = [
  ...[
    '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
    '100870617373776f726406736563726574',
    '0401 2f',
    '5801 61',
  ],
  ...['408825a849e95ba97d7f8925a849e95bb8e8b4bf', '5886a8eb10649cbf', '5885aec3771a4b', '0f2b89d07abe941054d444a9'],
  ...['5a839bd9ab', '0f0d0133', '4001610162', '40016103e97f80', '40014200'],
  ...['be', 'be', 'bf', 'c0', 'c1', '7e0131', '7f000132', '0f2f0133', '0f30 820c07', '1f300134', '93'],
].map((hex) => latin1(hex.replaceAll(' ', '')));
const updates = ['20', '3f01', '3f21', '3fe11f', '203fe11f', '3fe21f'].map(latin1);
const inserts = latin1('4001610162400163016440016501664001670168');
const words = [
  ...[
    '80',
    'ff80808080800100',
    'ffffffffff0f',
    '40',
    '7e',
    '7f00',
    '00',
    '10',
    '0f30',
    '20',
    '3fe11f',
    '8187',
    '82ffff',
  ],
  ...['81ff', '841fffffff', '84ffffffff', '81f8', '8118', '7f8080808000', '7fffffffff7f', '01', '02', '0a', '0d', '09'],
  ...['41', '3a', '3a70617468'],
].map(latin1);
const request = latin1('828684410161');

const pick = (random: Random, from: readonly string[]): string => from[random.below(from.length)]!;

const fieldsOf = (head: Head): [string, string][] =>
  Array.from({ length: head.count }, (_, field) => [
    head.text(head.nameStart(field), head.nameEnd(field)),
    head.value(field),
  ]);

/** What was decoded is decoded again from what we encode of it. */
function encodeAgain(head: Head, encoder: HpackEncoder, decoder: HpackDecoder): void {
  const dst = Buffer.alloc(2 * MAX_HEAD);
  let at = encoder.begin(dst, 0);
  for (let field = 0; field < head.count; field++) {
    const [nameStart, nameEnd] = [head.nameStart(field), head.nameEnd(field)];
    const [valueStart, valueEnd] = [head.valueStart(field), head.valueEnd(field)];
    at = encoder.field(dst, at, head, nameStart, nameEnd, head.ids[field]!, valueStart, valueEnd);
  }
  const again = new Head();
  deepStrictEqual(decoder.decode(dst, 0, at, again), DECODED);
  deepStrictEqual(fieldsOf(again), fieldsOf(head));
}

/**
 * The blocks of one connection: nghttp2 and we find the same ones broken, and read the same fields in the others, with
 * the same table behind those that are no message. What a message may be is not compared: nghttp2 drops fields, and we
 * refuse messages.
 */
export async function fuzzHpack(random: Random): Promise<string> {
  const decoder = new HpackDecoder();
  const head = new Head();
  const encoder = new HpackEncoder();
  const other = new HpackDecoder();
  using node = new NodeDecoder();
  const sent: string[] = [];
  let verdict = '';
  for (let left = 1 + random.below(4); left > 0; left--) {
    // Something that can be referred to, in most blocks.
    let text = random.below(5) === 0 ? '' : inserts;
    for (let more = random.below(8); more >= 0; more--) text += pick(random, fields);
    if (random.below(3) === 0) text = mutate(random, [text], words);
    const update = random.below(12) === 0 ? pick(random, updates) : '';
    const block = Buffer.from(update + request + text, 'latin1');
    sent.push(block.toString('hex'));
    const why = sent.join(' ');
    // Somewhere in a buffer, between octets of others.
    const at = random.below(20);
    const buf = Buffer.alloc(at + block.length + 8, 0x82);
    block.copy(buf, at);
    const result = decoder.decode(buf, at, at + block.length, head);
    ok(head.own.buf.length <= 2 * MAX_HEAD && head.fieldsEnd <= head.own.buf.length, why);
    const theirs = await node.decode(block);
    deepStrictEqual(theirs === 'broken', result === COMPRESSION, why);
    if (result === COMPRESSION) return 'not to be decoded';
    if (result === DECODED) {
      if (theirs !== 'refused') deepStrictEqual(theirs, fieldsOf(head), why);
      encodeAgain(head, encoder, other);
    }
    verdict = result === DECODED ? 'decoded' : result === MALFORMED ? 'malformed' : 'too large';
  }
  return verdict;
}
