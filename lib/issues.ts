/** One problem of an input, with all that is needed to find and mend it. */
export interface Issue {
  /** Path inside the document, such as `spec.rules[0].matches[1].path.value`; '' is the whole document. */
  readonly path: string;
  /** What is wrong and what would be right, in one line. */
  readonly message: string;
  /** Index of the resource in the input that was checked, counted from 0. */
  readonly resource?: number;
  readonly file?: string;
  /** Counted from 1. */
  readonly line?: number;
  readonly column?: number;
}

/** Collects every problem of an input, so that one look shows them all. */
export class Issues {
  readonly list: Issue[] = [];

  add(path: string, message: string, where: Omit<Issue, 'path' | 'message'> = {}): void {
    this.list.push({ path, message, ...where });
  }

  get ok(): boolean {
    return this.list.length === 0;
  }
}

/** `file:line:column: path: message`, as compilers write it, so that editors jump to the place. */
export function formatIssue(issue: Issue): string {
  const place = [issue.file ?? (issue.resource === undefined ? undefined : `resource ${issue.resource + 1}`)];
  if (issue.line !== undefined) place.push(String(issue.line), String(issue.column ?? 1));
  const where = place.filter((part) => part !== undefined).join(':');
  return [where, issue.path, issue.message].filter((part) => part !== '').join(': ');
}

/** Thrown where an input as a whole is refused; carries all its problems. */
export class InvalidInput extends Error {
  override readonly name = 'InvalidInput';
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[]) {
    super(issues.map(formatIssue).join('\n'));
    this.issues = issues;
  }
}
