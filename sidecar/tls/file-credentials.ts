import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { Live } from '../../lib/live.ts';
import type { Log } from '../../lib/log.ts';
import { fromPem } from '../../lib/svid.ts';
import type { Credentials, LiveCredentials } from './credentials.ts';
import { CredentialsError, makeCredentials } from './make-credentials.ts';

/** How often the files are looked at. Polled, because mounted secrets change by a swap of links that no watch sees. */
const lookMs = 10_000;

export interface FileCredentialsOptions {
  /** PEM, leaf first, then what is between it and the root. */
  readonly cert: string;
  /** PEM, not encrypted. */
  readonly key: string;
  /** PEM, every root to trust. */
  readonly ca: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface FileCredentials {
  readonly live: LiveCredentials;
  close(): Promise<void>;
}

/**
 * Credentials from three files, for a sidecar without a control plane. Whoever renews them just replaces the files; a set
 * that does not fit together is not taken and the one before stays. Throws CredentialsError when the first set is not good.
 */
export async function fileCredentials(options: FileCredentialsOptions): Promise<FileCredentials> {
  const { clock, log } = options;
  let seen = await readFiles(options);
  const first = parse(options, seen, clock.wall());
  const live: LiveCredentials = new Live<Credentials | undefined>(first);
  if (((await stat(options.key)).mode & 0o077) !== 0)
    log.warn('identity.key-readable', { file: options.key, advice: `chmod 600 ${options.key}` });
  log.info('identity.ready', {
    spiffeId: first.spiffeId,
    how: 'files',
    expires: new Date(first.notAfter).toISOString(),
  });

  let closed = false;
  let cancel = (): void => undefined;
  let looking: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    try {
      const now = await readFiles(options);
      if (now.some((text, i) => text !== seen[i])) {
        const next = parse(options, now, clock.wall());
        seen = now;
        live.set(next);
        log.info('identity.ready', {
          spiffeId: next.spiffeId,
          how: 'files',
          expires: new Date(next.notAfter).toISOString(),
        });
      }
    } catch (thrown) {
      log.warn('identity.files-unusable', { problem: messageOf(thrown) });
    }
    schedule();
  };
  const schedule = (): void => {
    if (closed) return;
    cancel = clock.after(lookMs, () => {
      looking = look();
    });
  };
  schedule();
  return {
    live,
    async close() {
      closed = true;
      cancel();
      await looking;
    },
  };
}

type Texts = readonly [cert: string, key: string, ca: string];

async function readFiles({ cert, key, ca }: FileCredentialsOptions): Promise<Texts> {
  const read = (path: string): Promise<string> =>
    readFile(path, 'utf8').catch((thrown: unknown) => {
      throw new CredentialsError(`cannot read ${path}: ${messageOf(thrown)}`);
    });
  // One after the other, so that it is always the first of the missing files that is named.
  return [await read(cert), await read(key), await read(ca)];
}

function parse(files: FileCredentialsOptions, [cert, keyPem, ca]: Texts, wall: number): Credentials {
  const certs = (path: string, pem: string): readonly Uint8Array[] => {
    try {
      return fromPem(pem);
    } catch (thrown) {
      throw new CredentialsError(`${path}: ${messageOf(thrown)}`);
    }
  };
  const material = { chain: certs(files.cert, cert), keyPem, roots: certs(files.ca, ca) };
  try {
    return makeCredentials(material, wall);
  } catch (thrown) {
    if (!(thrown instanceof CredentialsError)) throw thrown;
    throw new CredentialsError(`${files.cert}, ${files.key} and ${files.ca} do not fit: ${thrown.message}`);
  }
}
