import { readRequest } from '../h1/request.ts';
import { scanRequest } from '../h1/scan.ts';
import { Head } from '../message/head.ts';
import { RequestInfo } from '../message/request.ts';
import { grpcTimeoutMs, isGrpc } from './call.ts';

/** A call as HTTP/2 would bring it, with these lines. */
function call(lines: string, startLine = false): { head: Head; info: RequestInfo } {
  const head = new Head();
  const info = new RequestInfo();
  const text = `POST /pay.Cards/Charge HTTP/1.1\r\nhost: cards\r\n${lines}content-length: 0\r\n\r\n`;
  expect(scanRequest(head, Buffer.from(text, 'latin1'), 0, text.length)).toBe(text.length);
  expect(readRequest(head, info)).toBe(true);
  head.startLine = startLine;
  return { head, info };
}

test.each<[string, boolean]>([
  ['application/grpc', true],
  ['application/grpc+proto', true],
  ['application/grpc;charset=utf-8', true],
  ['Application/GRPC+json', true],
  ['application/grpc-web', false],
  ['application/grpc-web+proto', false],
  ['application/grp', false],
  ['application/grpcx', false],
  ['text/plain, application/grpc', false],
  ['', false],
])('content-type %j: %s', (type, expected) => {
  const { head, info } = call(`content-type: ${type}\r\n`);
  expect(isGrpc(head, info)).toBe(expected);
});

test('a request without content-type, or of HTTP/1.1, is no gRPC call', () => {
  const bare = call('');
  expect(isGrpc(bare.head, bare.info)).toBe(false);
  const old = call('content-type: application/grpc\r\n', true);
  expect(isGrpc(old.head, old.info)).toBe(false);
});

const none = Number.POSITIVE_INFINITY;

test.each<[string, number]>([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3000],
  ['250m', 250],
  ['1500u', 1.5],
  ['99999999n', 99.999999],
  ['99999999H', 99_999_999 * 3_600_000],
  ['00000005S', 5000],
  // Not valid: left to the app.
  ['0S', none],
  ['100000000m', none],
  ['1', none],
  ['S', none],
  ['', none],
  ['-1S', none],
  ['+1S', none],
  ['1.5S', none],
  ['1 S', none],
  ['1e3m', none],
  ['1s', none],
  ['1h', none],
  ['1SS', none],
])('grpc-timeout %j is %d ms', (text, expected) => {
  const { head, info } = call(`grpc-timeout: ${text}\r\n`);
  expect(grpcTimeoutMs(head, info)).toBe(expected);
});

test('a call without grpc-timeout waits for ever', () => {
  const { head, info } = call('');
  expect(grpcTimeoutMs(head, info)).toBe(none);
});
