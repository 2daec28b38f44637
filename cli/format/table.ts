import { type Paint, plain, type Style, widthOf } from '../terminal.ts';

export interface Column<Row> {
  readonly title: string;
  /** Text of a cell; control characters in it are made harmless. */
  value(row: Row): string;
  readonly align?: 'right';
  /** Which end is left out where there is no room; the end of the text unless told otherwise. */
  readonly cut?: 'start';
  /** Only with `-o wide`. */
  readonly wide?: true;
  style?(row: Row): Style | undefined;
}

const gap = '  ';
const minWidth = 8;

/** Aligned columns under their titles. With a width, the widest columns are cut until a line fits. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: { readonly wide?: boolean; readonly width?: number | undefined; readonly paint?: Paint } = {},
): string {
  const { wide = false, width, paint = (_: Style, text: string) => text } = options;
  const shown = columns.filter((column) => wide || column.wide === undefined);
  const cells = rows.map((row) => shown.map((column) => plain(column.value(row)).replaceAll(/[\n\t]/g, ' ')));
  const widths = shown.map((column, i) => Math.max(widthOf(column.title), ...cells.map((line) => widthOf(line[i]!))));
  if (width !== undefined) shrink(widths, width);
  const line = (texts: readonly string[], styleOf: (i: number) => Style | undefined): string =>
    texts
      .map((text, i) => {
        const last = i === texts.length - 1 && shown[i]!.align !== 'right';
        const fitted = pad(
          shorten(text, widths[i]!, shown[i]!.cut),
          widths[i]!,
          last ? 'none' : (shown[i]!.align ?? 'left'),
        );
        const style = styleOf(i);
        return style === undefined ? fitted : paint(style, fitted);
      })
      .join(gap)
      .trimEnd();
  const head = line(
    shown.map((column) => column.title),
    () => 'dim',
  );
  const body = cells.map((texts, r) => line(texts, (i) => shown[i]!.style?.(rows[r]!)));
  return `${[head, ...body].join('\n')}\n`;
}

/** Takes columns from the widest ones until all fit, or none can give more. */
function shrink(widths: number[], width: number): void {
  const total = () => widths.reduce((sum, one) => sum + one, 0) + gap.length * (widths.length - 1);
  while (total() > width) {
    const widest = Math.max(...widths);
    if (widest <= minWidth) return;
    widths[widths.indexOf(widest)] = widest - 1;
  }
}

function shorten(text: string, width: number, cut: 'start' | undefined): string {
  const letters = [...text];
  if (letters.length <= width) return text;
  return cut === 'start' ? `…${letters.slice(1 - width).join('')}` : `${letters.slice(0, width - 1).join('')}…`;
}

function pad(text: string, width: number, align: 'left' | 'right' | 'none'): string {
  const fill = ' '.repeat(Math.max(0, width - widthOf(text)));
  if (align === 'none') return text;
  return align === 'right' ? fill + text : text + fill;
}
