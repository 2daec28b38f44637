/**
 * Where the counters are. A thread of its own counts in plain arrays; one of several counts in memory that the main thread
 * reads, so that a scrape waits for nobody and a thread that dies takes no count with it.
 */

/** What a block of counters is of. */
export type CellsOf =
  | { readonly kind: 'edge' | 'codes' | 'tcp'; readonly direction: Direction; readonly peer: string }
  | { readonly kind: 'connections'; readonly direction: Direction; readonly end: End }
  | { readonly kind: 'refused-handshakes'; readonly direction: Direction; readonly end: End; readonly reason: string }
  | { readonly kind: 'refused-connections'; readonly direction: Direction; readonly end: End; readonly reason: string }
  | { readonly kind: 'overload'; readonly level: number }
  | { readonly kind: 'access-log-dropped' | 'spans-dropped' };

type Direction = 'inbound' | 'outbound';
type End = 'downstream' | 'upstream';

/**
 * Makes a block of `length` counters, all zero; called once for each `of`. `gauge`: the one cell that tells how many there
 * are now, rather than ever were, and is nothing once the thread is gone; -1: none.
 */
export type NewCells = (of: CellsOf, length: number, gauge: number) => Float64Array;

export const plainCells: NewCells = (_of, length) => new Float64Array(length);
