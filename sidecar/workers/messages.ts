/** What crosses between the main thread and its worker threads: plain values, as the structured clone takes them. */
import type { Address } from '../../lib/address.ts';
import type { Issue } from '../../lib/issues.ts';
import type { Fields, Level } from '../../lib/log.ts';
import type { Answer } from '../admin/pages.ts';
import type { DataPlaneOptions } from '../data-plane.ts';
import type { SnapshotDump } from '../snapshot/dump.ts';
import type { Inputs } from '../snapshot/inputs.ts';
import type { CellsOf } from '../telemetry/cells.ts';
import type { FinishedExchange } from '../telemetry/finished-exchange.ts';
import type { KnownIdentity, TelemetryWanted } from '../telemetry/start-telemetry.ts';
import type { Credentials } from '../tls/credentials.ts';

/** Credentials without what cannot leave its thread. */
export type PlainCredentials = Omit<Credentials, 'context'>;

/** With what a worker begins. */
export interface WorkerStart {
  readonly options: Omit<
    DataPlaneOptions,
    'credentials' | 'resolve' | 'readPage' | 'telemetry' | 'clock' | 'random' | 'log'
  >;
  /** Whether pages can be asked for. */
  readonly pages: boolean;
  /** undefined: there never will be any; `current` is undefined until there is a certificate. */
  readonly credentials: { readonly current: PlainCredentials | undefined } | undefined;
  readonly telemetry: TelemetryWanted;
}

/** What a worker is asked, and what it answers. */
export interface Asked {
  readonly accept: { readonly inputs: Inputs };
  readonly dump: object;
  readonly drain: { readonly deadlineMs: number };
  readonly close: object;
}
export interface Answers {
  readonly accept: readonly Issue[];
  readonly dump: SnapshotDump;
  readonly drain: undefined;
  readonly close: undefined;
}
export type Question = { [K in keyof Asked]: { readonly kind: K } & Asked[K] }[keyof Asked];

/** Batches of which a worker has one under way at most. */
export type Outlet = 'lines' | 'spans' | 'log';

export interface LogEntry {
  readonly level: Level;
  readonly event: string;
  readonly fields: Fields | undefined;
}

export type ToWorker =
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  | { readonly kind: 'credentials'; readonly credentials: PlainCredentials | undefined }
  | { readonly kind: 'resolved'; readonly service: string }
  /** `answer` is undefined when the page failed, which is logged. */
  | { readonly kind: 'page'; readonly id: number; readonly answer: Answer | undefined }
  /** `problem`: why the batch could not be written. */
  | { readonly kind: 'taken'; readonly outlet: Outlet; readonly problem: string | undefined };

export type FromWorker =
  | { readonly kind: 'listening'; readonly inbound: Address; readonly outbound: Address }
  | { readonly kind: 'not-listening'; readonly problem: string; readonly code: string | undefined }
  | { readonly kind: 'answer'; readonly id: number; readonly value: Answers[keyof Answers] }
  | { readonly kind: 'no-answer'; readonly id: number; readonly problem: string }
  | { readonly kind: 'resolve'; readonly service: string }
  /** A service is listened for at its own address from now on, or no longer. */
  | { readonly kind: 'name'; readonly service: string; readonly there: boolean }
  | { readonly kind: 'read-page'; readonly id: number; readonly target: string }
  | { readonly kind: 'cells'; readonly of: CellsOf; readonly cells: Float64Array; readonly gauge: number }
  | { readonly kind: 'identities'; readonly identities: readonly KnownIdentity[] }
  | { readonly kind: 'lines'; readonly octets: Uint8Array }
  | { readonly kind: 'spans'; readonly spans: readonly FinishedExchange[] }
  | { readonly kind: 'log'; readonly entries: readonly LogEntry[] };
