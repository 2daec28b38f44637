import type { DataPlaneOptions } from '../data-plane.ts';
import type { Credentials } from '../tls/credentials.ts';
import type { PlainCredentials, WorkerStart } from './messages.ts';

/** What a thread can be given of the options. Bounds of the whole sidecar are shared out. */
export function plainOptions(options: DataPlaneOptions, threads: number): WorkerStart['options'] {
  const { credentials, resolve, readPage, telemetry, clock, random, log, inputs, limits, ...rest } = options;
  const share = (most: number): number => Math.ceil(most / threads);
  return {
    ...rest,
    limits: {
      ...limits,
      connections: share(limits.connections),
      connectionsPerAddress: share(limits.connectionsPerAddress),
    },
  };
}

export function plainCredentials(credentials: Credentials | undefined): PlainCredentials | undefined {
  if (credentials === undefined) return undefined;
  const { context, ...rest } = credentials;
  return rest;
}
