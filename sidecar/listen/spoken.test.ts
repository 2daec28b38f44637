import { type Spoken, spokenBy } from './spoken.ts';

const clientHello = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';

const cases: readonly (readonly [octets: string, spoken: Spoken])[] = [
  ['GET / HTTP/1.1\r\nhost: web\r\n\r\n', 'h1'],
  ['GET nothing like a target', 'h1'],
  ['POST\t/ HTTP/1.1\r\n', 'opaque'],
  ['DELETE /x', 'h1'],
  ['PROPFIND /a%20b HTTP/1.1\r\n', 'h1'],
  ['get / HTTP/1.0\r\n', 'h1'],
  ['x-y /very/long?a=b HTTP/9.9', 'h1'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2'],
  [clientHello, 'opaque'],
  ['SSH-2.0-OpenSSH_9.2\r\n', 'opaque'],
  ['EHLO client.test\r\n', 'opaque'],
  ['get key\r\n', 'opaque'],
  ['set key 0 0 5\r\nvalue\r\n', 'opaque'],
  ['*1\r\n$4\r\nPING\r\n', 'opaque'],
  ['<?xml version="1.0"?>', 'opaque'],
  ['\x00\x00\x00\x08\x04\xd2\x16\x2f', 'opaque'],
  ['GE\x00T / HTTP/1.1\r\n', 'opaque'],
  ['FOO /\x80 HTTP/1.1\r\n', 'opaque'],
  ['FOO /\n HTTP/1.1\r\n', 'opaque'],
  ['ALONGMETHODTHATNOBODYKNOWS / HTTP/1.1\r\n', 'opaque'],
  [`FOO /${'a'.repeat(17_000)} HTTP/1.1\r\n`, 'opaque'],
  ['\r\nGET / HTTP/1.1\r\n', 'opaque'],
];

describe.each(cases.map(([text, spoken]) => ({ text, spoken, name: JSON.stringify(text.slice(0, 40)) })))(
  '$name',
  ({ text, spoken }) => {
    const octets = Buffer.from(text, 'latin1');

    test(`is ${spoken}`, () => {
      expect(spokenBy(octets, true)).toBe(spoken);
    });

    test('is told by a beginning, and what follows does not change it', () => {
      const shorter = Math.min(octets.length, 200);
      const answers = Array.from({ length: shorter + 1 }, (_, length) => spokenBy(octets.subarray(0, length), true));
      const first = answers.findIndex((answer) => answer !== undefined);
      if (octets.length <= shorter) expect(first).toBeGreaterThan(0);
      if (first >= 0) expect(answers.slice(first)).toEqual(answers.slice(first).fill(spoken));
    });

    test('is HTTP/2 or left to HTTP/1.1 where nothing else may come', () => {
      expect(spokenBy(octets, false)).toBe(spoken === 'h2' ? 'h2' : 'h1');
    });
  },
);

test('what could still be either is not decided', () => {
  for (const text of ['', 'P', 'PR', 'GET', 'GE', 'FOO', 'FOO /x HTTP'])
    expect([text, spokenBy(Buffer.from(text), true)]).toEqual([text, undefined]);
});
