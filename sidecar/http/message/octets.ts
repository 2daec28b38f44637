/** Classes of octets, as tables: one lookup an octet. Everything is judged as octets, never as decoded text. */

const table = (member: (octet: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, octet) => (member(octet) ? 1 : 0));

const tokenText = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** tchar, RFC 9110 section 5.6.2. */
export const isToken = table((octet) => tokenText.includes(String.fromCharCode(octet)));

/** Octets of a field value: HTAB, SP, VCHAR and obs-text, RFC 9110 section 5.5. */
export const isValue = table((octet) => octet === 9 || (octet >= 32 && octet !== 127));

/** Octets of a request target that need no second look: VCHAR without `#` (a fragment is never sent) and without those below. */
export const PLAIN = 0;
/** `%`, `\`, `;`: the path must be looked at closely. */
const SPECIAL = 1;
export const SLASH = 2;
export const DOT = 3;
export const QUERY = 4;
export const FORBIDDEN = 5;
export const targetClass = Uint8Array.from({ length: 256 }, (_, octet) => {
  if (octet <= 32 || octet >= 127 || octet === 0x23) return FORBIDDEN;
  if (octet === 0x2f) return SLASH;
  if (octet === 0x2e) return DOT;
  if (octet === 0x3f) return QUERY;
  return octet === 0x25 || octet === 0x5c || octet === 0x3b ? SPECIAL : PLAIN;
});

/** ASCII letters to lower case, all else as it is. Not String.toLowerCase: that maps U+212A to `k`. */
export const lower = Uint8Array.from({ length: 256 }, (_, octet) => (octet >= 65 && octet <= 90 ? octet + 32 : octet));

/** Value of a hexadecimal digit, 255 for any other octet. */
export const hexValue = Uint8Array.from({ length: 256 }, (_, octet) => {
  if (octet >= 48 && octet <= 57) return octet - 48;
  const letter = octet | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : 255;
});

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

/** True when the octets are this lower-case text, whatever their case. */
export function equalsLower(buf: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (lower[buf[start + i]!] !== text.charCodeAt(i)) return false;
  return true;
}
