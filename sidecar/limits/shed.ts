import { fail } from '../http/attempt.ts';
import { errorReply, type HttpExchange } from '../http/exchange.ts';

/** Of the exchanges that hold something, so many are given up at once, one at least. */
const SHARE = 1 / 16;

/**
 * Gives up the exchanges that hold most octets of bodies because one of their ends is slow. Gives how many. Those that
 * hold none are left alone: nothing is to be had of them. Runs within a turn of the loop.
 */
export function shedHeaviest(each: (visit: (ex: HttpExchange) => void) => void): number {
  const heavy: HttpExchange[] = [];
  each((ex) => {
    if (ex.zone !== 'over' && ex.buffered > 0) heavy.push(ex);
  });
  heavy.sort((a, b) => b.buffered - a.buffered);
  heavy.length = Math.ceil(heavy.length * SHARE);
  for (const ex of heavy) fail(ex, errorReply('OVERLOAD_SHED', `${ex.buffered} octets were waiting`));
  return heavy.length;
}
