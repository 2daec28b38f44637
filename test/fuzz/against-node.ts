import { deepStrictEqual } from 'node:assert/strict';
import { createServer, type IncomingMessage, METHODS, type Server } from 'node:http';
import { Duplex } from 'node:stream';
import type { Random } from '../../lib/random.ts';
import { mutate } from './mutate.ts';
import { read, requestSeeds, requestWords } from './request.ts';

/** A request as node:http tells of it. */
interface Told {
  readonly method: string | undefined;
  readonly target: string | undefined;
  readonly fields: readonly string[];
  readonly content: string;
}

/** A connection that is fed from memory. */
class Fed extends Duplex {
  override _read(): void {}
  override _write(_: Buffer, __: string, done: () => void): void {
    done();
  }
}

/** A server that listens nowhere: connections are handed to it, as the documentation of its event allows. */
let server: Server | undefined;
let onRequest: (req: IncomingMessage) => void = () => {};
let onProblem: () => void = () => {};

/** The one request that the octets are, as strict as Node is by default; undefined when it refuses them. */
function readByNode(octets: Buffer): Promise<Told | undefined> {
  server ??= createServer({ insecureHTTPParser: false, maxHeaderSize: 128 * 1024 })
    .on('request', (req) => onRequest(req))
    .on('clientError', () => onProblem());
  const { promise, resolve } = Promise.withResolvers<Told | undefined>();
  const socket = new Fed();
  onProblem = () => resolve(undefined);
  onRequest = (req) => {
    let content = '';
    req.setEncoding('latin1');
    req.on('data', (piece: string) => {
      content += piece;
    });
    req.on('error', () => resolve(undefined));
    req.on('end', () => resolve({ method: req.method, target: req.url, fields: [...req.rawHeaders], content }));
  };
  socket.on('error', () => resolve(undefined)).on('close', () => resolve(undefined));
  server.emit('connection', socket);
  socket.push(octets);
  socket.push(null);
  return promise.finally(() => socket.destroy());
}

/** What Node refuses and RFC 9112 allows. None of it goes on: coding, sizes and last chunk are always made anew. */
const differs = [
  // White space behind a coding, and around the parts of a chunk extension.
  /chunked[ \t]+\r\n/i,
  /\r\n[0-9a-f]+[ \t]*;[^\r\n]*[ \t]|\r\n[0-9a-f]+[ \t]+;/i,
  // Names of framing among the trailers.
  /\r\n0+(?:;[^\r]*)?\r\n(?:[^\r]+\r\n)*(?:content-length|transfer-encoding):/i,
];

/**
 * What is let pass here is let pass by Node's parser as well, and means the same there: two that disagree about one
 * request are what request smuggling needs.
 */
export async function fuzzAgainstNode(random: Random): Promise<string> {
  const text = mutate(random, requestSeeds, requestWords);
  const octets = Buffer.from(text, 'latin1');
  const ours = read([octets]);
  if (ours === undefined) return 'refused';
  const message = octets.subarray(0, octets.length - ours.rest.length);
  const [, method, target] = /^(?:\r\n)?([^ ]+) ([^ ]+) /.exec(message.toString('latin1'))!;
  // Any token is a method, RFC 9110 section 9.1; Node keeps a list.
  if (!METHODS.includes(method!)) return 'a method of its own';
  const length = Number(
    /^content-length:[ \t]*([0-9]+)/im.exec(message.toString('latin1').split('\r\n\r\n')[0]!)?.[1] ?? 0,
  );
  const content = ours.rest.slice(0, length);
  if (content.length < length) return 'not complete';
  const whole = Buffer.concat([message, Buffer.from(content, 'latin1')]);
  const sent = whole.toString('latin1');
  if (ours.head[1] === 'streamed' && differs.some((pattern) => pattern.test(sent)))
    return 'chunked as only RFC 9112 has it';
  const theirs = await readByNode(whole);
  const expected: Told = { method, target, fields: ours.head.slice(3), content: ours.content + content };
  deepStrictEqual(theirs, expected, JSON.stringify(sent));
  return 'the same';
}
