import type { Certificates } from '../certificates.ts';
import type { Rig, Started } from '../rig.ts';

/** What a contender may use. The backend answers `/` with a few bytes and `/1k` with 1 kB. */
export interface Stage {
  readonly rig: Rig;
  readonly backend: number;
  readonly certificates: Certificates;
}

/** A way through one or two proxies, ready to take requests. */
export interface Path {
  readonly port: number;
  /** Every proxy that a request crosses. */
  readonly processes: readonly Started[];
  /** What else was started for it, and must end with it. */
  readonly helpers?: readonly Started[];
  /** From the start of the (first) process to its first answer. */
  readonly readyMs: number;
}

/** One line of a table. */
export interface Contender {
  readonly name: string;
  /** Programs that must be installed for it. */
  readonly programs: readonly string[];
  /** Answered before the first measurement; a JIT needs more of them than a compiled program. */
  readonly warmUpRequests: number;
  start(stage: Stage): Promise<Path>;
}

/** TLS between the hops: 1.3 with this suite and curve, both ends show and verify a certificate. */
export const tls = { suite: 'TLS_AES_128_GCM_SHA256', curve: 'P-256' } as const;

/** The same for all: connections that wait to be accepted. */
export const backlog = 511;
