import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { type Answer, problem } from './pages.ts';

/** Sends what `read` gives; where it fails, that, and the log has the reason. */
export async function send(
  response: ServerResponse,
  request: IncomingMessage,
  read: () => Answer | Promise<Answer>,
  log: Log,
): Promise<void> {
  let answer: Answer;
  try {
    answer = await read();
  } catch (error) {
    log.error('an admin page failed', { page: request.url ?? '', error: messageOf(error) });
    answer = problem(500, 'INTERNAL', 'this page failed; the log of the sidecar says why');
  }
  const { status, type, body, allow } = answer;
  const octets = Buffer.from(body);
  // No page has scripts, none belongs into a cache or a frame.
  response.writeHead(status, {
    'content-type': type,
    'content-length': octets.length,
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    ...(allow === undefined ? {} : { allow }),
  });
  response.end(octets);
}
