import { errors } from '../../lib/errors.ts';
import { type GrpcStatus, grpcStatusNames } from '../../lib/grpc-status.ts';
import { bucketCount, bucketOf } from '../../lib/latency.ts';
import { type NewCells, plainCells } from './cells.ts';
import { isServiceFault } from './record.ts';
import type { Edge, ExchangeRecord } from './telemetry.ts';

/** Status classes; index is the hundreds of the status, 0 for none. */
const statusClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** What `code` may be besides '': the error table, a reply that redirects, and whatever should not have come. */
const recordCodes: readonly string[] = [...Object.keys(errors), 'REDIRECT', 'other'];
const codeIndex = new Map(recordCodes.map((code, index) => [code, index]));
const otherCode = recordCodes.length - 1;

// One array for everything that is counted: one object to load, no boxed numbers. Float64 counts exactly up to 2^53.
const classes = 0;
const buckets = classes + statusClasses.length;
const inFlight = buckets + bucketCount;
const durationMs = inFlight + 1;
const requestBytes = durationMs + 1;
const responseBytes = requestBytes + 1;
const retries = responseBytes + 1;
const failures = retries + 1;
const grpcStatuses = failures + 1;
const cells = grpcStatuses + grpcStatusNames.length;

/** What happens with an exchange besides counting. Each says whether it wants one, so that `end` stays cheap. */
export interface ExchangeSinks {
  /** Access log: 0 nothing, 1 failures, 2 everything. */
  logLevel: 0 | 1 | 2;
  log(edge: EdgeStats, record: ExchangeRecord): void;
  /** Spans are wanted. */
  spans: boolean;
  span(edge: EdgeStats, record: ExchangeRecord): void;
}

/** Counts since the last `takeWindow`. */
export interface EdgeWindow {
  readonly direction: 'inbound' | 'outbound';
  /** `namespace/name`, `unknown` or `other`. */
  readonly peer: string;
  /** SPIFFE ID that the other end proved last; '' for none. */
  readonly peerIdentity: string;
  readonly requests: number;
  /** Replies of the mesh itself, responses of 5xx and gRPC calls that are the service's fault; not callers that went away, nor redirects. */
  readonly failures: number;
  /** By the buckets of lib/latency.ts. */
  readonly latency: readonly number[];
  readonly retries: number;
}

/** True for what the access log calls an error: the mesh answered itself, the exchange broke, or the service failed. */
const isError = (record: ExchangeRecord): boolean =>
  isServiceFault(record) || (record.code !== '' && record.code !== 'REDIRECT');

/** Whether the access log takes a record. `level`: as in ExchangeSinks. */
export const isWanted = (level: 0 | 1 | 2, record: ExchangeRecord): boolean =>
  level !== 0 && (level === 2 || isError(record));

/** The counters of one direction and peer. `begin` and `end` allocate nothing (the first error of an edge excepted). */
export class EdgeStats implements Edge {
  readonly direction: 'inbound' | 'outbound';
  readonly peer: string;
  /** SPIFFE ID that the other end proved last. */
  peerIdentity = '';
  readonly counts: Float64Array;
  /** [code][class]; made at the first exchange that has a code. */
  #byCode: Float64Array | null = null;
  readonly #sinks: ExchangeSinks;
  readonly #newCells: NewCells;
  /** `counts` as of the last window. */
  readonly #reported = new Float64Array(cells);

  constructor(direction: 'inbound' | 'outbound', peer: string, sinks: ExchangeSinks, newCells = plainCells) {
    this.direction = direction;
    this.peer = peer;
    this.counts = newCells({ kind: 'edge', direction, peer }, cells, inFlight);
    this.#sinks = sinks;
    this.#newCells = newCells;
  }

  get byCode(): Float64Array {
    const { direction, peer } = this;
    this.#byCode ??= this.#newCells({ kind: 'codes', direction, peer }, recordCodes.length * statusClasses.length, -1);
    return this.#byCode;
  }

  begin(): void {
    this.counts[inFlight]!++;
  }

  end(record: ExchangeRecord): void {
    const counts = this.counts;
    const status = record.status;
    const statusClass = status >= 100 && status < 600 ? (status / 100) | 0 : 0;
    counts[inFlight]!--;
    counts[buckets + bucketOf(record.durationMs * 1000)]!++;
    counts[durationMs]! += record.durationMs;
    counts[requestBytes]! += record.requestBytes;
    counts[responseBytes]! += record.responseBytes;
    if (record.attempts > 1) counts[retries]! += record.attempts - 1;
    if (record.code === '') {
      counts[classes + statusClass]!++;
      if (isServiceFault(record)) counts[failures]!++;
    } else this.#endCoded(record, statusClass);
    if (record.grpcStatus >= 0) counts[grpcStatuses + record.grpcStatus]!++;
    if (record.peer !== '') this.peerIdentity = record.peer;

    const sinks = this.#sinks;
    if (isWanted(sinks.logLevel, record)) sinks.log(this, record);
    if (record.sampled && sinks.spans) sinks.span(this, record);
  }

  #endCoded(record: ExchangeRecord, statusClass: number): void {
    const code = codeIndex.get(record.code) ?? otherCode;
    this.byCode[code * statusClasses.length + statusClass]!++;
    // A caller that went away says nothing about the service; watches and streams end that way all the time.
    if (record.status >= 500 || (record.code !== 'DOWNSTREAM_GONE' && record.code !== 'REDIRECT'))
      this.counts[failures]!++;
  }

  /** Calls back for each status class and code that was ever counted. */
  eachOutcome(found: (statusClass: string, code: string, count: number) => void): void {
    for (const [index, name] of statusClasses.entries()) {
      const count = this.counts[classes + index]!;
      if (count > 0) found(name, '', count);
    }
    this.#byCode?.forEach((count, cell) => {
      if (count === 0) return;
      const statusClass = cell % statusClasses.length;
      found(statusClasses[statusClass]!, recordCodes[(cell - statusClass) / statusClasses.length]!, count);
    });
  }

  /** Calls back for each status of gRPC with which a call ever ended. */
  eachGrpcStatus(found: (status: GrpcStatus, count: number) => void): void {
    for (const [status, name] of grpcStatusNames.entries()) {
      const count = this.counts[grpcStatuses + status]!;
      if (count > 0) found(name, count);
    }
  }

  /** Exchanges that have ended, by latency bucket. */
  get latency(): Float64Array {
    return this.counts.subarray(buckets, buckets + bucketCount);
  }
  get inFlight(): number {
    return this.counts[inFlight]!;
  }
  get durationMs(): number {
    return this.counts[durationMs]!;
  }
  get requestBytes(): number {
    return this.counts[requestBytes]!;
  }
  get responseBytes(): number {
    return this.counts[responseBytes]!;
  }
  get retries(): number {
    return this.counts[retries]!;
  }

  /** What was counted since the last call; undefined when no exchange has ended since. */
  takeWindow(): EdgeWindow | undefined {
    const now = this.counts;
    const before = this.#reported;
    const latency = Array.from(this.latency, (count, bucket) => count - before[buckets + bucket]!);
    const requests = latency.reduce((sum, count) => sum + count, 0);
    if (requests === 0) return undefined;
    const window: EdgeWindow = {
      direction: this.direction,
      peer: this.peer,
      peerIdentity: this.peerIdentity,
      requests,
      failures: now[failures]! - before[failures]!,
      latency,
      retries: now[retries]! - before[retries]!,
    };
    before.set(now);
    return window;
  }
}

/** How many exchanges the counts of an edge say have ended. */
export function endedOf(counts: Float64Array): number {
  let sum = 0;
  for (let bucket = 0; bucket < bucketCount; bucket++) sum += counts[buckets + bucket]!;
  return sum;
}

/** Peers of one direction; further ones share the edge `other`, so that memory and metrics stay bounded. */
export const maxPeers = 1000;

/** All edges of a sidecar. Edges live as long as it does: counters must not go back. */
export class EdgeTable {
  readonly #edges = { inbound: new Map<string, EdgeStats>(), outbound: new Map<string, EdgeStats>() };
  readonly #sinks: ExchangeSinks;
  readonly #newCells: NewCells;

  constructor(sinks: ExchangeSinks, newCells: NewCells) {
    this.#sinks = sinks;
    this.#newCells = newCells;
  }

  edge(direction: 'inbound' | 'outbound', peer: string): EdgeStats {
    const edges = this.#edges[direction];
    const found = edges.get(peer);
    if (found !== undefined) return found;
    const name = edges.size < maxPeers ? peer || 'unknown' : 'other';
    const edge = edges.get(name) ?? new EdgeStats(direction, name, this.#sinks, this.#newCells);
    edges.set(name, edge);
    return edge;
  }

  *all(): Generator<EdgeStats> {
    yield* this.#edges.inbound.values();
    yield* this.#edges.outbound.values();
  }
}
