import { stripVTControlCharacters, styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
export type Paint = (style: Style, text: string) => string;

/** Who reads what a command prints. Results go to standard output, everything else to standard error. */
export interface Terminal {
  /** Columns to keep within; undefined when a program reads along and nothing may be cut. */
  readonly width: number | undefined;
  readonly interactive: boolean;
  /** Colours for standard output; none for programs and with NO_COLOR. */
  readonly paint: Paint;
  out(text: string): void;
  note(text: string): void;
}

const plainPaint: Paint = (_, text) => text;

export function systemTerminal(): Terminal {
  const { stdout, stderr } = process;
  return {
    get width() {
      return stdout.isTTY ? stdout.columns : undefined;
    },
    interactive: stdout.isTTY === true,
    // styleText looks at the stream itself: no colours when it is no terminal, with NO_COLOR, or TERM=dumb.
    paint: stdout.isTTY ? (style, text) => styleText(style, text, { stream: stdout }) : plainPaint,
    out: (text) => void stdout.write(text.endsWith('\n') ? text : `${text}\n`),
    note: (text) => void stderr.write(text.endsWith('\n') ? text : `${text}\n`),
  };
}

/** Text from elsewhere, such that it cannot move the cursor or change colours of whoever looks at it. */
export const plain = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\u{fffd}');

/** Columns that a text takes, colours aside. */
export const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;

const patienceMs = 1000;

/** Says on standard error what is being waited for, once it takes longer than a second. */
export async function withProgress<T>(terminal: Terminal, doing: () => string, work: Promise<T>): Promise<T> {
  const rewrite = process.stderr.isTTY === true;
  let shown = '';
  const show = () => {
    const text = `${doing()} …`;
    if (text === shown) return;
    if (rewrite) process.stderr.write(`\r\u001b[K${text}`);
    else terminal.note(text);
    shown = text;
  };
  const timer = setInterval(show, patienceMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (rewrite && shown !== '') process.stderr.write('\r\u001b[K');
  }
}
