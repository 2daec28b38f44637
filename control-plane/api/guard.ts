import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Address, isLoopback } from '../../lib/address.ts';
import { JsonError, parseJson } from './json.ts';
import { ApiError } from './problem.ts';

const maxBody = 8 * 1024 * 1024;

/** What every answer carries: it is data, for the page that asked, and for nobody's cache. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/**
 * On loopback nobody logs in, so a web page that points its own name at 127.0.0.1 would speak to us as if it were local
 * (DNS rebinding). Its name gives it away. Elsewhere the token does the same work.
 */
export function checkHost(request: IncomingMessage, listening: Address, names: readonly string[]): void {
  if ('path' in listening || !isLoopback(listening)) return;
  const host = /^(\[[0-9a-f:.]+\]|[^:]*)(?::[0-9]{1,5})?$/i.exec(request.headers.host ?? '')?.[1]?.toLowerCase();
  const bare = host?.replace(/^\[|\]$/g, '') ?? '';
  if (bare === 'localhost' || bare === '::1' || /^127(?:\.[0-9]{1,3}){3}$/.test(bare) || names.includes(bare)) return;
  throw new ApiError('HOST_NOT_ALLOWED', 'use localhost, or start the control plane with --name for another name');
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Checks `Authorization: Bearer` when there is a token; in a time that does not tell how much of it was right. `page`: a
 * browser shows it, which asks its user for a name and a password: the token is the password. Nothing that changes the
 * mesh takes it so, since a browser sends it along by itself, whoever made the request.
 */
export function checkToken(request: IncomingMessage, token: string | undefined, page = false): void {
  if (token === undefined) return;
  const authorization = request.headers.authorization ?? '';
  const bearer = /^bearer ([-._~+/A-Za-z0-9]+=*)$/i.exec(authorization)?.[1];
  const basic = page ? /^basic ([+/A-Za-z0-9]+=*)$/i.exec(authorization)?.[1] : undefined;
  const given = bearer ?? (basic && /^[^:]*:(.*)$/s.exec(Buffer.from(basic, 'base64').toString('latin1'))?.[1]);
  if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return;
  throw new ApiError(
    'UNAUTHENTICATED',
    `send the token of the API as Authorization: Bearer${page ? ', or as the password that a browser asks for' : ''}`,
    { headers: { 'www-authenticate': `${page ? 'Basic realm="weft", ' : ''}Bearer realm="weft"` } },
  );
}

/**
 * The JSON body of a POST. The media type is required because a web page cannot send it to another origin without
 * asking first, and we never say yes (CSRF).
 */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const [type] = (request.headers['content-type'] ?? '').split(';');
  if (type!.trim().toLowerCase() !== 'application/json')
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE', 'send Content-Type: application/json');
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity')
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE', 'send the body without Content-Encoding');
  const tooLarge = new ApiError('TOO_LARGE', `the body is larger than ${maxBody} bytes: split the change`);
  if (Number(request.headers['content-length'] ?? 0) > maxBody) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBody) throw tooLarge;
    chunks.push(chunk);
  }
  try {
    return parseJson(Buffer.concat(chunks));
  } catch (error) {
    if (error instanceof JsonError) throw new ApiError('BAD_REQUEST', error.message);
    throw error;
  }
}
