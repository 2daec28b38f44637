import type { PathChange } from './spec.ts';

/**
 * Tests whether a canonical path has this prefix in whole segments: `/shop` is one of `/shop`, `/shop/` and `/shop/cart`,
 * not of `/shopping`. A slash at the end of the prefix changes nothing.
 */
export function prefixTest(prefix: string): (path: string) => boolean {
  const bare = withoutFinalSlash(prefix);
  const { length } = bare;
  return (path) => path.startsWith(bare) && (path.length === length || path.charCodeAt(length) === 0x2f);
}

const withoutFinalSlash = (path: string): string => (path.endsWith('/') ? path.slice(0, -1) : path);

/** The path after a rewrite or redirect. `prefix` is the one that matched. */
export function changePath(path: string, change: PathChange, prefix: string): string {
  if (change.type === 'ReplaceFullPath') return change.replaceFullPath;
  const rest = path.slice(withoutFinalSlash(prefix).length);
  return withoutFinalSlash(change.replacePrefixMatch) + rest || '/';
}

/**
 * The form in which request paths are compared: escapes of unreserved characters decoded, others in capitals (RFC 3986
 * section 6.2.2). Dots and double slashes are refused before.
 */
export const canonicalEscapes = (path: string): string =>
  path.replace(/%[0-9a-fA-F]{2}/g, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : triplet.toUpperCase();
  });
