import { deepStrictEqual, ok } from 'node:assert/strict';
import type { Random } from '../../lib/random.ts';
import { canonicalPath } from '../../sidecar/http/message/path.ts';
import { mutate } from './mutate.ts';

const seeds = [
  '/',
  '/a/b/c',
  '/a/../b/./c//d',
  '/%61%2e%2E/%7e',
  '/a;b=c/..;/d',
  '/caf%c3%a9/',
  '/a%2fb%5c%00',
  '/%252e',
];
const words = [
  '/',
  '//',
  '.',
  '..',
  '/../',
  '/./',
  '%2e',
  '%2F',
  '%',
  '%0',
  '%00',
  '%25',
  ';',
  '..;',
  '\\',
  '%5c',
  '~',
];

/** A canonical path is its own canonical form, and says the same as the one that it was made of. */
export function fuzzPath(random: Random): string {
  const raw = `/${mutate(random, seeds, words).replace(/[^\x21-\x7e]|[?#]/g, '')}`;
  const canonical = canonicalPath(raw);
  if ('refused' in canonical) return 'refused';
  const { path } = canonical;
  deepStrictEqual(canonicalPath(path), canonical, raw);
  ok(path.startsWith('/') && !/\/\/|\/\.\.?(?:\/|$)|\\|%2[ef]|%5c|%00/i.test(path), raw);
  // Decoded once more than any server does, there is still nothing above the root and no octet that was not there.
  const segments = (text: string): string[] => text.split('/').map(decodeOnce);
  ok(
    segments(path).every((segment) => segments(raw).includes(segment)),
    raw,
  );
  return 'let pass';
}

/** As octets, so that escapes that are no UTF-8 count as well. */
const decodeOnce = (text: string): string =>
  text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
