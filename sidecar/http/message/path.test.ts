import fc from 'fast-check';
import { canonicalPath } from './path.ts';

test.each([
  ['/', '/'],
  ['/a', '/a'],
  ['/a/', '/a/'],
  ['//', '/'],
  ['/a//b', '/a/b'],
  ['/a/./b', '/a/b'],
  ['/a/.', '/a/'],
  ['/a/..', '/'],
  ['/a/b/..', '/a/'],
  ['/a/b/../', '/a/'],
  ['/../../a', '/a'],
  ['/..', '/'],
  ['/a/...', '/a/...'],
  ['/.a', '/.a'],
  ['/a.', '/a.'],
  ['/%61%2D%7e%5F', '/a-~_'],
  ['/%2e%2E/b', '/b'],
  ['/a/%2e./b', '/b'],
  ['/%252e%252e/', '/%252e%252e/'],
  ['/%c3%a9', '/%C3%A9'],
  ['/%0d%0a', '/%0D%0A'],
  ['/%25', '/%25'],
  ['/%3f%23', '/%3F%23'],
  ['/a;b=c', '/a;b=c'],
  ['/a..;b', '/a..;b'],
])('%j is %j', (raw, path) => {
  expect(canonicalPath(raw)).toEqual({ path });
});

test.each([
  ['/a\\b', 'back-slash'],
  ['/a%2fb', 'slash'],
  ['/a%2Fb', 'slash'],
  ['/a%5cb', 'slash'],
  ['/a%00', 'NUL'],
  ['/%', 'hexadecimal'],
  ['/%4', 'hexadecimal'],
  ['/%4g', 'hexadecimal'],
  ['/%u0041', 'hexadecimal'],
  ['/% 1', 'hexadecimal'],
  ['/a/..;/b', 'parameters'],
  ['/a/.;x', 'parameters'],
  ['/%2e%2e;/b', 'parameters'],
])('%j is refused for its %s', (raw, why) => {
  expect(canonicalPath(raw)).toEqual({ refused: expect.stringContaining(why) });
});

test('a canonical path stays as it is, and has no dot segment, no empty one and no octet that is not its own', () => {
  const piece = fc.constantFrom(
    '/',
    '.',
    '..',
    '%2e',
    '%2f',
    '%41',
    '%',
    'a',
    ';',
    '\\',
    '%25',
    '%c3',
    '//',
    '/./',
    'b',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const canonical = canonicalPath(`/${pieces.join('')}`);
      if ('refused' in canonical) return;
      expect(canonicalPath(canonical.path)).toEqual(canonical);
      expect(canonical.path).toMatch(/^(?:\/(?!\.{1,2}(?:\/|$)|\/)[^/\\]*)+$/);
    }),
  );
});
