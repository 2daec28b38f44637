import { randomBytes } from 'node:crypto';

/** Where the traffic of one caller goes in. */
export interface Door {
  readonly host: string;
  /** Outbound of its sidecar. */
  readonly port: number;
  /** Its local port for the service `tcp`. */
  readonly tcpPort: number;
}

/** One way to use the mesh, again and again. Throws when something went otherwise than it must. */
export interface Kind {
  readonly name: string;
  /** How many do it at once. */
  readonly clients: number;
  /** A client; `run` is one use of it. */
  open(door: Door): Client;
}

export interface Client {
  run(): Promise<void>;
  close(): void | Promise<void>;
}

export const noise = (octets: number): Buffer => randomBytes(octets);

export function same(got: Buffer, sent: Buffer, what: string): void {
  if (!got.equals(sent)) throw new Error(`${what}: ${got.length} octets came back, ${sent.length} had been sent`);
}

export function must(good: boolean, what: string): void {
  if (!good) throw new Error(what);
}

/** No use of the mesh takes longer than this, in ms. */
const PATIENCE_MS = 20_000;

/** The same promise, given up when it takes too long; `undo` then ends what it stands for. */
export function inTime<T>(what: string, promise: Promise<T>, undo: () => void): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`${what}: no end in ${PATIENCE_MS / 1000} s`));
    undo();
  }, PATIENCE_MS);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
