import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');
export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

export function blocks(page: string): Block[] {
  return [...read(page).matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((found) => ({
    page,
    line: read(page).slice(0, found.index).split('\n').length + 1,
    language: found[1]!,
    text: found[2]!,
  }));
}

/** The lines of a block with the exit code that the comment behind them promises: 0, `# exit code 1`, or `# 404` of curl. */
export function commandsOf({ text }: Block): { readonly text: string; readonly code: number }[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, command, comment = ''] = /^(.*?)(?: +# (.*))?$/.exec(line)!;
      const code = /^exit code (\d+)/.exec(comment)?.[1];
      return { text: command!, code: code !== undefined ? Number(code) : /^[45]\d\d\b/.test(comment) ? 22 : 0 };
    });
}
