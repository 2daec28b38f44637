import type { ListenerContext } from '../http/context.ts';
import { CLOSING } from './overload.ts';

/**
 * Monotonic ms after which a connection that begins now is to end behind an answer. Give or take a tenth, so that those
 * that came together do not go together.
 */
export const expiryOf = ({ loop, limits, random }: ListenerContext): number =>
  loop.nowMs + limits.connectionAgeMs * (0.9 + 0.2 * random.unit());

/** The present answer is the last one of a connection that expires then. */
export const isEnding = (context: ListenerContext, expiresMs: number): boolean =>
  context.draining() || context.overload.level >= CLOSING || expiresMs <= context.loop.nowMs;
