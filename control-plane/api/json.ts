/** Why a text is not taken as JSON. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

/** More levels than an apply of resources of the allowed depth needs. */
const maxDepth = 80;

/**
 * Parses JSON from somebody we do not trust. Refused, because a second reader would take them another way: invalid UTF-8,
 * a key that stands twice in an object (RFC 8259 section 4), numbers beyond the range of a double, the key `__proto__`,
 * and nesting that would exhaust a stack. Throws JsonError with the place.
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new JsonError('the body is not UTF-8');
  }
  try {
    // First, because it stops where JSON.parse would go on into eight million brackets.
    scan(text);
    return JSON.parse(text);
  } catch (error) {
    if ((error as Error).name !== 'SyntaxError') throw error;
    throw new JsonError(`the body is not JSON: ${(error as Error).message}`);
  }
}

const quote = 0x22;
const backslash = 0x5c;
const numberPattern = /-?[0-9][-+.0-9eE]*/y;

/** Looks for what `JSON.parse` lets through. What is no JSON at all is left to it, so a look at each token is enough. */
function scan(text: string): void {
  /** One entry for each open object (its keys) or array (undefined). */
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '{' || char === '[') {
      if (open.push(char === '{' ? new Set() : undefined) > maxDepth)
        throw new JsonError(`the body is nested more than ${maxDepth} levels deep at offset ${at}`);
    } else if (char === '}' || char === ']') open.pop();
    else if (char === '"') {
      const end = endOfString(text, at);
      if (open.at(-1) !== undefined && followedByColon(text, end)) addKey(open.at(-1)!, text.slice(at, end + 1), at);
      at = end;
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      numberPattern.lastIndex = at;
      const [number] = numberPattern.exec(text) ?? [char];
      if (Math.abs(Number(number)) === Number.POSITIVE_INFINITY)
        throw new JsonError(`the number at offset ${at} is out of range`);
      at += number.length - 1;
    }
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (; at < text.length && text.charCodeAt(at) !== quote; at++) if (text.charCodeAt(at) === backslash) at++;
  return at;
}

function followedByColon(text: string, end: number): boolean {
  let at = end + 1;
  while (text.charCodeAt(at) <= 0x20) at++;
  return text[at] === ':';
}

function addKey(seen: Set<string>, quoted: string, at: number): void {
  const key = JSON.parse(quoted) as string;
  if (key === '__proto__') throw new JsonError(`the key __proto__ is not allowed, at offset ${at}`);
  if (seen.has(key)) throw new JsonError(`the key ${quoted} stands twice in one object, at offset ${at}`);
  seen.add(key);
}
