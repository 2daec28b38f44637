import { exit, Failure } from './failure.ts';

/** The number of a revision as a user gives it. Throws Failure. */
export function revisionNamed(what: string, text: string): number {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new Failure(exit.usage, `${what}: '${text}' is not the number of a revision; 'weft history' lists them`);
}
