import type { Certificates } from '../certificates.ts';
import type { App, Origins, Protocol } from '../origins/origins.ts';
import type { Rig, Started } from '../rig.ts';

/** What a contender may use. */
export interface Stage {
  readonly rig: Rig;
  readonly origins: Origins;
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

/** What leads where. */
export interface Shape {
  /** The line of the table; the name of the proxy unless given. */
  readonly name?: string;
  /** What is at the end of the path; its protocol is spoken at both ends. */
  readonly app: App;
  /** What two hops speak to each other over mTLS. Without it there is one hop, and no TLS. */
  readonly between?: Protocol;
}

/** One line of a table. */
export interface Contender {
  readonly name: string;
  readonly app: App;
  /** Programs that must be installed for it. */
  readonly programs: readonly string[];
  /** Answered before the first measurement; a JIT needs more of them than a compiled program. */
  readonly warmUpRequests: number;
  start(stage: Stage): Promise<Path>;
  /** The same, made so that one can look inside; only Weft can do so. */
  inspected?(inspect: Inspect): Contender;
}

/** To look inside: more flags for Node, and where its output goes. */
export interface Inspect {
  readonly nodeFlags?: readonly string[];
  readonly onLine?: (line: string) => void;
}

/** TLS between the hops: 1.3 with this suite and curve, both ends show and verify a certificate. */
export const tls = { suite: 'TLS_AES_128_GCM_SHA256', curve: 'P-256' } as const;

/** The same for all: connections that wait to be accepted, and connections that may be open. */
export const backlog = 511;
export const mostConnections = 12_000;

/** Calls before the first measurement of a compiled proxy. */
export const compiledWarmUp = 10_000;
