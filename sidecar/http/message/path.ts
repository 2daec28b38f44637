/**
 * One canonical path for routes, policies, logs and the service alike, so that no two of them can disagree about which
 * resource a request is for. Decoded exactly once; never `new URL`, which rewrites hosts and back-slashes.
 */
import { hexValue } from './octets.ts';

/** `refused`: why the path cannot have a canonical form that every server would read the same way. */
export type Canonical = { readonly path: string } | { readonly refused: string };

const unreserved = /[A-Za-z0-9\-._~]/;

/**
 * Canonical form of an absolute path (RFC 3986 section 6.2.2): escapes of unreserved characters decoded, dot segments
 * resolved, slashes merged. Refused: escapes that are none, of NUL, of `/` and `\`; a bare `\`; segments such as `..;x`,
 * which some servers take for `..`.
 */
export function canonicalPath(raw: string): Canonical {
  let decoded = '';
  for (let i = 0; i < raw.length; i++) {
    const character = raw[i]!;
    if (character === '\\') return { refused: 'a back-slash' };
    if (character !== '%') {
      decoded += character;
      continue;
    }
    const high = hexValue[raw.charCodeAt(i + 1)] ?? 255;
    const low = hexValue[raw.charCodeAt(i + 2)] ?? 255;
    if (high === 255 || low === 255) return { refused: 'an escape without two hexadecimal digits' };
    const octet = high * 16 + low;
    if (octet === 0) return { refused: 'an escaped NUL' };
    if (octet === 0x2f || octet === 0x5c) return { refused: 'an escaped slash' };
    const plain = String.fromCharCode(octet);
    decoded += octet < 128 && unreserved.test(plain) ? plain : raw.slice(i, i + 3).toUpperCase();
    i += 2;
  }
  const kept: string[] = [];
  const segments = decoded.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!;
    const last = i === segments.length - 1;
    if (/^\.\.?;/.test(segment)) return { refused: 'a dot segment with parameters' };
    if (segment === '..') kept.pop();
    if (segment === '.' || segment === '..' || segment === '') {
      if (last) kept.push('');
      continue;
    }
    kept.push(segment);
  }
  return { path: `/${kept.join('/')}` };
}
