import { seededRandom } from '../../lib/random.ts';
import {
  answersTo,
  parseQuery,
  type Query,
  RCODE,
  TYPE,
  withId,
  writeAnswer,
  writeQuestion,
  writeTruncated,
} from './message.ts';

const u16 = (...values: readonly number[]): Buffer =>
  Buffer.concat(values.map((n) => Buffer.from([n >>> 8, n & 0xff])));
const name = (...labels: readonly string[]): Buffer =>
  Buffer.from(`${labels.map((label) => String.fromCharCode(label.length) + label).join('')}\0`, 'latin1');
/** A question for an address, with whatever comes after it. */
const asked = (
  labels: readonly string[],
  counts: readonly number[] = [1, 0, 0, 0],
  ...more: readonly Buffer[]
): Buffer => Buffer.concat([u16(7, 0x100, ...counts), name(...labels), u16(TYPE.a, 1), ...more]);
const opt = (size: number, version = 0): Buffer =>
  Buffer.concat([Buffer.from([0]), u16(TYPE.opt, size), Buffer.from([0, version, 0, 0]), u16(0)]);

const query = (octets: Buffer): Query => {
  const parsed = parseQuery(octets);
  if (parsed === undefined || 'opcode' in parsed) throw new Error('it is no query');
  return parsed;
};
const refused = (octets: Buffer): number | undefined => {
  const parsed = parseQuery(octets);
  return parsed !== undefined && 'opcode' in parsed ? parsed.rcode : undefined;
};

test('a question is read as it stands, its name in lower case', () => {
  expect(query(asked(['Payments', 'MESH']))).toMatchObject({
    id: 7,
    labels: ['payments', 'mesh'],
    type: TYPE.a,
    class: 1,
    question: Buffer.concat([name('Payments', 'MESH'), u16(TYPE.a, 1)]),
    recursionDesired: true,
    edns: undefined,
    udpSize: 512,
  });
  expect(query(asked([])).labels).toEqual([]);
});

test('EDNS says how much the asker takes, and never less than everybody does', () => {
  const sized = (size: number, version?: number) => query(asked(['a'], [1, 0, 0, 1], opt(size, version)));
  expect(sized(4096)).toMatchObject({ udpSize: 4096, edns: { version: 0 } });
  expect(sized(100).udpSize).toBe(512);
  expect(sized(1232, 1).edns).toEqual({ version: 1 });
  expect(refused(asked(['a'], [1, 0, 0, 2], opt(512), opt(512)))).toBe(RCODE.malformed);
});

test.each<[string, Buffer]>([
  ['a name that points to itself', Buffer.concat([u16(7, 0x100, 1, 0, 0, 0), Buffer.from([0xc0, 12]), u16(1, 1)])],
  [
    'a name that points backwards after a label',
    Buffer.concat([u16(7, 0, 1, 0, 0, 0), Buffer.from([1, 0x61, 0xc0, 12]), u16(1, 1)]),
  ],
  ['a label of 64 octets', asked(['a'.repeat(64)])],
  ['a name of 256 octets', asked([...Array.from({ length: 3 }, () => 'a'.repeat(63)), 'a'.repeat(62)])],
  ['a name that is cut off', asked(['payments', 'mesh']).subarray(0, 20)],
  ['a question that is cut off', asked(['payments', 'mesh']).subarray(0, -1)],
  ['no question', asked(['a'], [0, 0, 0, 0])],
  ['two questions', asked(['a'], [2, 0, 0, 0], name('b'), u16(1, 1))],
  ['records that are not there', asked(['a'], [1, 65535, 65535, 65535])],
  ['a record longer than the message', asked(['a'], [1, 0, 0, 1], name('b'), u16(1, 1, 0, 0, 100))],
])('%s is malformed', (_, octets) => {
  expect(refused(octets)).toBe(RCODE.malformed);
});

test('the longest name is read', () => {
  expect(query(asked([...Array.from({ length: 3 }, () => 'a'.repeat(63)), 'a'.repeat(61)])).labels).toHaveLength(4);
});

test('what is no question is not answered, and other requests are told that they are not known', () => {
  expect(parseQuery(Buffer.alloc(11))).toBeUndefined();
  const answer = asked(['a']);
  answer[2] = 0x81;
  expect(parseQuery(answer)).toBeUndefined();
  const update = asked(['a']);
  update[2] = 5 << 3;
  expect(parseQuery(update)).toEqual({ id: 7, opcode: 5, rcode: RCODE.notImplemented });
});

test('any octets are read in no time, and what is read as a question can be answered', () => {
  const random = seededRandom(1);
  const seeds = [
    asked(['payments', 'mesh']),
    asked(['a', 'b'], [1, 1, 1, 1], name('x'), u16(1, 1, 0, 0, 0), name(), u16(2, 1, 0, 0, 0), opt(1232)),
  ];
  const began = performance.now();
  let questions = 0;
  for (let n = 0; n < 50_000; n++) {
    const octets = n % 2 === 0 ? Buffer.from(seeds[n % 4 === 0 ? 0 : 1]!) : Buffer.alloc(random.below(64));
    for (let k = random.below(4) + (n % 2) * 20; k >= 0 && octets.length > 0; k--)
      octets[random.below(octets.length)] = random.below(256);
    const parsed = parseQuery(octets.subarray(0, octets.length - random.below(3)));
    if (parsed === undefined || 'opcode' in parsed) continue;
    questions++;
    const written = writeAnswer(parsed, {
      rcode: RCODE.ok,
      address: Buffer.from([127, 128, 0, 1]),
      ttlSeconds: 5,
      zone: 'mesh',
      authoritative: true,
    });
    if (answersTo(written, parsed.id, parsed.question) !== RCODE.ok)
      throw new Error(`not answered: ${octets.toString('hex')}`);
  }
  expect(questions).toBeGreaterThan(2_000);
  expect(performance.now() - began).toBeLessThan(30_000);
}, 60_000);

test('only an answer to the same question under the same id is one; the case of a name is no difference', () => {
  const question = query(asked(['Payments', 'mesh'])).question;
  const answered = (octets: Buffer, at = 0, value = octets[at]!): Buffer => {
    const copy = Buffer.from(octets);
    copy[at] = value;
    return copy;
  };
  const answer = writeTruncated(query(asked(['pAYMENTS', 'MESH'])));
  expect(answersTo(answer, 7, question)).toBe(RCODE.ok);
  expect(answersTo(withId(answer, 8), 7, question)).toBeUndefined();
  expect(answersTo(asked(['payments', 'mesh']), 7, question)).toBeUndefined();
  expect(answersTo(writeTruncated(query(asked(['payment', 'mesh']))), 7, question)).toBeUndefined();
  // Another type, whose octets differ by what is a difference of case in a name.
  expect(answersTo(answered(answer, answer.length - 3, TYPE.a ^ 0x20), 7, question)).toBeUndefined();
  expect(answersTo(answered(answer, 3, 0x83), 7, question)).toBe(RCODE.noSuchName);
  expect(answersTo(answer.subarray(0, 20), 7, question)).toBeUndefined();
});

test('a question of our own is one that we can read', () => {
  expect(query(writeQuestion(9, ['x', 'mesh'], TYPE.a))).toMatchObject({
    id: 9,
    labels: ['x', 'mesh'],
    type: TYPE.a,
    class: 1,
  });
});
