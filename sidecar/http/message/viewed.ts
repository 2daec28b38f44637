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

let last: Viewed = viewed(0);

/** A view of any buffer. The last one is kept: almost all octets are read into one and the same buffer of the thread. */
export function viewOf(buf: Buffer): DataView {
  if (last.buf !== buf) last = { buf, view: new DataView(buf.buffer, buf.byteOffset, buf.length) };
  return last.view;
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

/** Do `length` octets stand in both places? */
export function sameOctets(a: DataView, p: number, b: DataView, q: number, length: number): boolean {
  if (length < 8) {
    for (let i = 0; i < length; i++) if (a.getUint8(p + i) !== b.getUint8(q + i)) return false;
    return true;
  }
  const last = length - 8;
  for (let i = 0; i < last; i += 8)
    if (
      (a.getInt32(p + i, true) ^ b.getInt32(q + i, true)) |
      (a.getInt32(p + i + 4, true) ^ b.getInt32(q + i + 4, true))
    )
      return false;
  // The last eight, some of them for the second time.
  return (
    a.getInt32(p + last, true) === b.getInt32(q + last, true) &&
    a.getInt32(p + last + 4, true) === b.getInt32(q + last + 4, true)
  );
}
