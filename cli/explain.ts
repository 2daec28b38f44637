import { messageOf } from '../lib/errors.ts';
import { type ExitCode, exit } from './failure.ts';

/** What people see of anything that was thrown, and how the process ends. Never a stack trace. */
export function explain(thrown: unknown): { readonly exitCode: ExitCode; readonly text: string } {
  const { name, exitCode, bare } = (thrown ?? {}) as { name?: unknown; exitCode?: ExitCode; bare?: boolean };
  const known = name === 'Failure' && exitCode !== undefined;
  const message = known ? messageOf(thrown) : `this should not have happened: ${messageOf(thrown)}`;
  const text = message === '' ? '' : `${bare === true ? '' : 'weft: '}${message}\n`;
  return { exitCode: known ? exitCode : exit.no, text };
}
