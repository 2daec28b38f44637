import type { HttpExchange } from '../exchange.ts';
import { nameId } from '../message/names.ts';
import type { TargetProblem, TargetReader } from '../message/target.ts';
import { readRequest } from './request.ts';
import { readUpgrade } from './tunnel.ts';

/** Fills the exchange from the head of its request. Gives what is wrong with it, as far as a head can tell. */
export function judge(ex: HttpExchange, target: TargetReader): TargetProblem | undefined {
  const { head, info, context } = ex;
  if (!readRequest(head, info)) return { code: info.problem, text: info.problemText };
  if (info.at[nameId.upgrade]! >= 0) readUpgrade(head, info, context.upgrades);
  const problem = target.read(head, info, ex);
  if (problem !== undefined) return problem;
  if (info.length > context.maxBody) return { code: 'BODY_TOO_LARGE', text: `${info.length} octets of body` };
  return undefined;
}
