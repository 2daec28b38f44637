import { get } from 'node:http';
import { connect } from 'node:net';
import type { Address } from '../../lib/address.ts';
import type { AppCheckSpec } from './options.ts';
import { type Problem, problemOf, refused } from './problem.ts';

/** Asks an app once. undefined: it is well. Never rejects; ends soon after the signal, on a connection of its own. */
export type Check = (signal: AbortSignal) => Promise<Problem | undefined>;

export function checkOf(app: Address, spec: AppCheckSpec): Check {
  if (spec.by === 'tcp') return tcpCheck(app);
  if (spec.by === 'http') return httpCheck(app, spec.path);
  // HTTP/2 of Node weighs a megabyte: only who asks for it pays.
  return async (signal) => (await import('./grpc-check.ts')).grpcCheck(app, spec.service, signal);
}

const tcpCheck =
  (app: Address): Check =>
  (signal) =>
    new Promise((resolve) => {
      const socket = connect(app);
      const end = (problem?: Problem): void => {
        signal.removeEventListener('abort', late);
        socket.destroy();
        resolve(problem);
      };
      const late = (): void => end({ text: 'does not take connections', gone: false });
      signal.addEventListener('abort', late);
      socket.on('connect', () => end());
      socket.on('error', () => end(refused));
    });

const httpCheck =
  (app: Address, path: string): Check =>
  (signal) =>
    new Promise((resolve) => {
      const where = 'path' in app ? { socketPath: app.path } : app;
      const headers = { host: 'localhost', 'user-agent': 'weft-sidecar' };
      const request = get({ ...where, path, headers, signal, agent: false }, (response) => {
        const { statusCode = 0 } = response;
        response.destroy();
        const well = statusCode >= 200 && statusCode < 400;
        resolve(well ? undefined : { text: `answered ${statusCode} to GET ${path}`, gone: false });
      });
      request.on('error', (error) => resolve(problemOf(error, signal, `GET ${path}`)));
    });
