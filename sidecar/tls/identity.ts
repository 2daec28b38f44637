import { readFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import type { Address } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { Live } from '../../lib/live.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { formatSpiffe } from '../../lib/spiffe.ts';
import { chainProblem, fromPem } from '../../lib/svid.ts';
import { fileProblem } from '../../lib/system-error.ts';
import { ControlPlanes } from './control-planes.ts';
import type { Credentials, LiveCredentials } from './credentials.ts';
import { type JoinToken, join, parseJoinToken, renew } from './issue.ts';
import { assemble } from './make-credentials.ts';
import { loadCredentials, saveCredentials } from './stored.ts';

const firstRetryMs = 500;
const lastRetryMs = 150_000;
/** Waits before a key that could not be stored is stored anew. */
const firstSaveMs = 5000;
const lastSaveMs = 300_000;
/** However short a certificate lives, renewals have this between them. */
const minRenewMs = 1000;
/** The wall clock is looked at this often, because a machine that slept has not counted on. */
const lookMs = 600_000;

export interface IdentityOptions {
  /** One at least; each attempt asks the next one. */
  readonly controlPlanes: readonly Address[];
  /** A join token, or a file with one that is read again for each attempt. Not needed while the stored one is valid. */
  readonly token?: string;
  readonly tokenFile?: string;
  readonly stateDir: string;
  /** Who this sidecar means to be; a certificate for anyone else is refused. */
  readonly expect?: { readonly namespace: string; readonly service: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface RunningIdentity {
  readonly live: LiveCredentials;
  /** Resolves with the first certificate; rejects, with what to do next, when there will be none. */
  readonly ready: Promise<void>;
  /** Why the last attempt to get a certificate failed; empty when it did not. */
  problem(): string;
  /** Trusts exactly these roots (DER) from now on, for instance those of a push from the control plane. */
  updateRoots(roots: readonly Uint8Array[]): void;
  close(): Promise<void>;
}

/** Nothing more can be tried: the message says what the user has to do. */
class NoIdentityError extends Error {
  override readonly name = 'NoIdentityError';
}

/**
 * Gets a certificate and keeps it fresh: the stored one while it is valid, else one for the join token; renewed at half
 * of its life ±10 % over mTLS. While the control plane is away the present one stays, and attempts go on with backoff
 * (0.5 s to 150 s, full jitter).
 */
export function startIdentity(options: IdentityOptions): RunningIdentity {
  const { clock, random, log, stateDir } = options;
  const live: LiveCredentials = new Live<Credentials | undefined>(undefined);
  const controlPlanes = new ControlPlanes(options.controlPlanes);
  const ended = new AbortController();
  const ready = Promise.withResolvers<void>();
  // Whoever waits gets the rejection; it is in the log as well, so nobody has to wait.
  ready.promise.catch(() => undefined);
  let failures = 0;
  let lastProblem = '';
  let cancel = (): void => undefined;
  let work: Promise<void> = Promise.resolve();
  let saving: Promise<void> = Promise.resolve();
  let saveMs = firstSaveMs;
  let cancelSave = (): void => undefined;

  /** One after the other, so that the newest is what stays on disk. A disk that is full now may not be so later. */
  const save = (): void => {
    cancelSave();
    saving = saving.then(async () => {
      try {
        await saveCredentials(stateDir, live.current!);
        if (saveMs > firstSaveMs) log.info('identity.stored', { stateDir });
        saveMs = firstSaveMs;
      } catch (thrown) {
        const problem = `${fileProblem(thrown)}. It serves on; started again before that, it needs a new join token`;
        log.warn('identity.not-stored', { problem, stateDir, retryMs: saveMs });
        if (!ended.signal.aborted) cancelSave = clock.after(saveMs, save);
        saveMs = Math.min(lastSaveMs, saveMs * 2);
      }
    });
  };

  const take = (next: Credentials, how: 'stored' | 'joined' | 'renewed'): void => {
    const { expect } = options;
    if (expect !== undefined && next.spiffeId !== formatSpiffe({ trustDomain: next.trustDomain, ...expect }))
      throw new NoIdentityError(
        `this sidecar is for ${expect.namespace}/${expect.service}, but its certificate is for ${next.spiffeId}: ` +
          'make a token for the right service, and give each sidecar its own state directory',
      );
    if (ended.signal.aborted) return;
    live.set(next);
    log.info('identity.ready', { spiffeId: next.spiffeId, how, expires: new Date(next.notAfter).toISOString() });
    failures = 0;
    lastProblem = '';
    plan(next.notAfter);
    ready.resolve();
    if (how !== 'stored') save();
  };

  const isValid = (credentials: Credentials | undefined): credentials is Credentials =>
    credentials !== undefined && credentials.notAfter > clock.wall();

  const attempt = async (): Promise<void> => {
    const how = { controlPlane: controlPlanes.next(), clock, signal: ended.signal };
    const current = live.current;
    if (isValid(current)) take(await renew(current, how), 'renewed');
    else take(await join(await readToken(options), how), 'joined');
  };

  const run = async (): Promise<void> => {
    try {
      await attempt();
    } catch (thrown) {
      if (ended.signal.aborted) return;
      const problem = explain(thrown);
      lastProblem = problem;
      // With a certificate the control plane may still come round; with a token file the user may put another one.
      if (isFinal(thrown) && options.tokenFile === undefined && live.current === undefined) {
        log.error('identity.refused', { problem });
        return ready.reject(new NoIdentityError(problem));
      }
      const delay = random.unit() * Math.min(lastRetryMs, firstRetryMs * 2 ** failures);
      failures = Math.min(failures + 1, 20);
      log.warn('identity.retry', { problem, afterMs: Math.round(delay), expires: expiresText(live.current) });
      later(delay);
    }
  };

  const later = (ms: number): void => {
    cancel();
    if (ended.signal.aborted) return;
    cancel = clock.after(ms, () => {
      work = run();
    });
  };

  /** Waits for half of the life that is left. */
  const plan = (notAfter: number): void => {
    const half = (notAfter - clock.wall()) / 2;
    const renewAt = clock.wall() + Math.max(minRenewMs, half * (0.9 + random.unit() * 0.2));
    const look = (): void => {
      const left = renewAt - clock.wall();
      if (left <= 0) work = run();
      else if (!ended.signal.aborted) cancel = clock.after(Math.min(left, lookMs), look);
    };
    cancel();
    look();
  };

  const start = async (): Promise<void> => {
    try {
      const stored = await loadCredentials(stateDir, clock.wall());
      if (stored !== undefined) take(stored, 'stored');
    } catch (thrown) {
      log.warn('identity.stored-unusable', { problem: messageOf(thrown), stateDir });
    }
    if (live.current === undefined) await run();
  };
  work = start();

  return {
    live,
    ready: ready.promise,
    problem: () => lastProblem,
    updateRoots(roots) {
      const current = live.current;
      if (current === undefined) return;
      const chain = fromPem(current.certPem);
      let next: Credentials;
      try {
        if (roots.length === 0) throw new Error('there are none');
        next = assemble({ chain, keyPem: current.keyPem, roots });
      } catch (thrown) {
        return log.warn('identity.roots-refused', { problem: messageOf(thrown) });
      }
      if (next.rootsPem === current.rootsPem) return;
      live.set(next);
      save();
      log.info('identity.roots-changed', { roots: roots.length });
      // Peers with these roots do not believe a certificate that was made under others.
      if (chainProblem(chain[0]!, chain.slice(1), roots, clock.wall()) === 'untrusted') later(0);
    },
    async close() {
      ended.abort();
      cancel();
      await work;
      await saving;
      cancelSave();
      ready.reject(new NoIdentityError('closed before there was a certificate'));
    },
  };
}

/** Throws NoIdentityError when there is none that could be one; the token itself is never in a message. */
async function readToken({ token, tokenFile }: IdentityOptions): Promise<JoinToken> {
  const advice = 'make one with: weft token create SERVICE';
  if (token === undefined && tokenFile === undefined)
    throw new NoIdentityError(`there is no certificate and no join token: ${advice}, then pass --token-file`);
  const given = token ?? (await readTokenFile(tokenFile!));
  const parsed = parseJoinToken(given);
  const where = tokenFile === undefined ? '' : ` in ${tokenFile}`;
  if (parsed === undefined) throw new NoIdentityError(`the join token${where} is not one (weft1.…): ${advice}`);
  return parsed;
}

async function readTokenFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    throw new Error(`the file with the join token cannot be read: ${fileProblem(thrown)}`);
  }
}

/** Whether another attempt with the same token would get the same answer. */
const isFinal = (thrown: unknown): boolean =>
  thrown instanceof NoIdentityError || codeOf(thrown) === status.UNAUTHENTICATED;

function explain(thrown: unknown): string {
  if (codeOf(thrown) !== status.UNAUTHENTICATED) return messageOf(thrown);
  return `the control plane refused: ${messageOf(thrown)}; make a new token with: weft token create SERVICE`;
}

const codeOf = (thrown: unknown): unknown =>
  typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;

const expiresText = (credentials: Credentials | undefined): string | undefined =>
  credentials === undefined ? undefined : new Date(credentials.notAfter).toISOString();
