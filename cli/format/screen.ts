import type { Terminal } from '../terminal.ts';

/** A block of lines that is redrawn in place on a terminal, and simply printed again elsewhere. */
export interface Screen {
  show(text: string): void;
  /** Prints lines that stay, above the block. */
  log(text: string): void;
}

export function startScreen(terminal: Terminal): Screen {
  let lines = 0;
  let last = '';
  const erase = (): string => (lines === 0 ? '' : `\u001b[${lines}A\u001b[0J`);
  const draw = (before: string, text: string): void => {
    terminal.out(`${before}${text}`);
    lines = text.split('\n').length - 1;
  };
  return {
    show(text) {
      last = text.endsWith('\n') ? text : `${text}\n`;
      if (terminal.interactive) draw(erase(), last);
      else terminal.out(last);
    },
    log(text) {
      const line = text.endsWith('\n') ? text : `${text}\n`;
      if (terminal.interactive) draw(`${erase()}${line}`, last);
      else terminal.out(line);
    },
  };
}
