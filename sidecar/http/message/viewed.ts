/** A buffer, and a view of the same octets that reads and writes several at once, at any position. */
export interface Viewed {
  readonly buf: Buffer;
  readonly view: DataView;
}

/** A copy may read and write this many octets more than asked, so both buffers are that much longer. */
export const SLACK = 8;

export function viewed(length: number): Viewed {
  const buf = Buffer.allocUnsafeSlow(length + SLACK);
  return { buf, view: new DataView(buf.buffer, buf.byteOffset, buf.length) };
}

/** Copies octets, and a few that stand behind them. For most lines a call out of JavaScript costs more than the copy. */
export function copyOctets(dst: Viewed, at: number, src: Viewed, from: number, length: number): void {
  if (length > 192) {
    src.buf.copy(dst.buf, at, from, from + length);
    return;
  }
  const to = dst.view;
  const source = src.view;
  for (let i = 0; i < length; i += 8) {
    to.setInt32(at + i, source.getInt32(from + i, true), true);
    to.setInt32(at + i + 4, source.getInt32(from + i + 4, true), true);
  }
}
