// The reporter of `npm test`: tells deploy/test.ts, as messages, which files jest is at and what came of them.

/** What jest hands to a reporter, as far as it is used here. */
interface FileResult {
  readonly testResults: readonly { readonly status: string; readonly fullName: string }[];
  readonly failureMessage?: string | null;
  readonly console?: readonly { readonly message: string }[] | null;
}

export type Told =
  | { readonly event: 'start'; readonly path: string }
  | {
      readonly event: 'end';
      readonly path: string;
      readonly passed: number;
      readonly failed: number;
      /** Names of the tests that were skipped. */
      readonly skipped: readonly string[];
      /** What the file says about why. */
      readonly reasons: readonly string[];
      /** What is wrong, for people; empty when nothing is. */
      readonly problem: string;
      /** What the tests printed. */
      readonly printed: readonly string[];
    };

/** How a test file begins to say why it skips tests. */
const skipMark = 'SKIPPED: ';

export default class MessageReporter {
  onTestFileStart({ path }: { readonly path: string }): void {
    this.#tell({ event: 'start', path });
  }

  onTestFileResult({ path }: { readonly path: string }, result: FileResult): void {
    const named = (...statuses: string[]): string[] =>
      result.testResults.filter(({ status }) => statuses.includes(status)).map(({ fullName }) => fullName);
    const printed = (result.console ?? []).map(({ message }) => message);
    const problem = result.failureMessage ?? '';
    this.#tell({
      event: 'end',
      path,
      passed: named('passed').length,
      // A file that cannot be loaded, or cleaned up after, has no failed test of its own.
      failed: Math.max(named('failed').length, problem === '' ? 0 : 1),
      skipped: named('pending', 'todo', 'disabled'),
      reasons: printed.filter((text) => text.startsWith(skipMark)).map((text) => text.slice(skipMark.length)),
      problem,
      printed,
    });
  }

  #tell(told: Told): void {
    process.send?.(told);
  }
}
