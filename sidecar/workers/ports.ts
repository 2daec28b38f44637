import { createServer } from 'node:net';
import type { Address } from '../../lib/address.ts';

/** Says in words that this system has no ports that several listeners share. */
export function cannotShare(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOTSUP') return error;
  return new Error('this system cannot spread the connections of one port over threads: use --concurrency 1', {
    cause: error,
  });
}

/** Fails when somebody else listens at a port that our threads are to share: the system would let them all. */
export function isFree(address: Address): Promise<void> {
  if ('path' in address || address.port === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: address.host, port: address.port }, () => server.close(() => resolve()));
  });
}
