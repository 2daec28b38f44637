import type { Random } from '../../lib/random.ts';
import type { Limits } from '../limits/limits.ts';
import type { Overload } from '../limits/overload.ts';
import type { Loop } from '../net/loop.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { Edge, Tracer } from '../telemetry/telemetry.ts';

/** What all exchanges of one listener share. */
export interface ListenerContext {
  readonly direction: 'inbound' | 'outbound';
  readonly loop: Loop;
  readonly tracer: Tracer;
  snapshot(): Snapshot;
  /**
   * Asks for a service that the snapshot does not know; resolves when there is an answer or no more time. undefined:
   * nobody to ask.
   */
  resolve(service: string): Promise<void> | undefined;
  /** `namespace/name` of the service beside us. */
  readonly service: string;
  /** The service that a host stands for, as `namespace/name`; undefined: no name of a service. */
  serviceOf(host: string): string | undefined;
  edgeOf(peer: string): Edge;
  /** Our own SPIFFE ID; '' for none. */
  spiffeId(): string;
  /** Octets of request body accepted; Infinity: no limit. */
  readonly maxBody: number;
  /** Protocols (lower case) that a caller may go over to. */
  readonly upgrades: ReadonlySet<string>;
  readonly limits: Limits;
  readonly overload: Overload;
  readonly random: Random;
  draining(): boolean;
}
