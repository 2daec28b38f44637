import fc from 'fast-check';
import { scanResponse } from '../h1/scan.ts';
import { Head } from '../message/head.ts';
import { percentEncode, readGrpcStatus } from './status.ts';

test.each<[string, number]>([
  ['grpc-status: 0\r\n', 0],
  ['Grpc-Status: 7\r\n', 7],
  ['a: b\r\ngrpc-status: 14\r\n', 14],
  ['grpc-status: 16\r\n', 16],
  ['', -1],
  ['grpc-message: x\r\n', -1],
  // What is no status of gRPC is UNKNOWN to its clients, too.
  ['grpc-status: 17\r\n', 2],
  ['grpc-status: 20\r\n', 2],
  ['grpc-status: 100\r\n', 2],
  ['grpc-status: -1\r\n', 2],
  ['grpc-status: 0x0\r\n', 2],
  ['grpc-status: 00\r\n', 2],
  ['grpc-status: \r\n', 2],
])('trailers %j have status %d', (lines, expected) => {
  const head = new Head();
  const text = `HTTP/1.1 200 OK\r\n${lines}\r\n`;
  expect(scanResponse(head, Buffer.from(text, 'latin1'), 0, text.length)).toBe(text.length);
  expect(readGrpcStatus(head)).toBe(expected);
});

test.each([
  ['all is well', 'all is well'],
  ['100%', '100%25'],
  ['a\r\nb', 'a%0D%0Ab'],
  ['für', 'f%C3%BCr'],
  ['\u{1f600}~\x7f', '%F0%9F%98%80~%7F'],
])('the message %j is written %s', (text, expected) => {
  expect(percentEncode(text)).toBe(expected);
});

test('whatever a message says, it is printable and can be read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = percentEncode(text);
      expect(encoded).toMatch(/^[ -~]*$/);
      expect(decodeURIComponent(encoded)).toBe(text);
    }),
  );
});
