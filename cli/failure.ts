import { formatIssue, type Issue } from '../lib/issues.ts';

/** How every command ends: done, the answer is no, wrong usage, cannot reach. Scripts decide by these. */
export const exit = { done: 0, no: 1, usage: 2, unreachable: 3 } as const;
export type ExitCode = (typeof exit)[keyof typeof exit];

/** Why a command did not do what it was asked. Its message says what failed and what to do next; people see no more. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;
  /** True for a message whose lines begin with `file:line:column`, which must stand at the very left for editors. */
  readonly bare: boolean;

  constructor(
    exitCode: ExitCode,
    message: string,
    options: { readonly cause?: unknown; readonly bare?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = exitCode;
    this.bare = options.bare ?? false;
  }
}

/** The control plane said no. */
export class Refused extends Failure {
  /** Problems of what was sent, by resource. */
  readonly issues: readonly Issue[];
  /** Name of the problem, such as CONFLICT. */
  readonly code: string;

  constructor(message: string, code: string, issues: readonly Issue[]) {
    super(exit.no, [message, ...issues.map((issue) => `  ${formatIssue(issue)}`)].join('\n'));
    this.code = code;
    this.issues = issues;
  }
}
