import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { formatSpiffe, type Identity, isName, parseSpiffe } from '../../lib/spiffe.ts';
import { keyHash } from '../../lib/svid.ts';
import type { Vault, VaultEntry } from '../store/store.ts';
import { attemptLimit } from './attempts.ts';
import { type Authority, IssueError, type JoinTokens } from './authority.ts';
import { isControlPlane } from './issuer.ts';

const prefix = 'join-tokens/';
const maxTtlMs = 600_000;
const cleanUpMs = 60_000;
const defaultMaxLive = 10_000;
/** Used tokens that this process remembers, only to say of a second use that it is one. */
const maxUsed = 1000;

const entrySchema = z.strictObject({ spiffeId: z.string(), expires: z.number() });

export interface JoinTokenOptions {
  readonly vault: Vault;
  readonly authority: Pick<Authority, 'trustDomain' | 'roots'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Tokens that may be waiting for their workload at one time. */
  readonly maxLive?: number;
}

export interface OpenJoinTokens extends JoinTokens {
  close(): Promise<void>;
}

/**
 * Join tokens: `weft1.<secret>.<hash of the root's public key>`, both parts 32 octets in base64url. The hash lets the
 * workload check the control plane before it says the secret; the vault has only the secret's SHA-256.
 */
export async function openJoinTokens(options: JoinTokenOptions): Promise<OpenJoinTokens> {
  const { vault, authority, clock, log, maxLive = defaultMaxLive } = options;
  // Only failures count, so that a whole rack may join at once from behind one address.
  const failures = attemptLimit({ burst: 20, perSecond: 1, clock });
  const used = new Map<string, string>();

  const cleanUp = async (): Promise<void> => {
    for (const key of await vault.list(prefix)) {
      const entry = await vault.get(key);
      const expires = entry && readEntry(entry)?.expires;
      if (entry !== undefined && (expires === undefined || expires <= clock.wall()))
        await vault.delete(key, entry.version);
    }
  };

  let closed = false;
  let cancel = (): void => undefined;
  let cleaning: Promise<void> = Promise.resolve();
  const schedule = (): void => {
    if (closed) return;
    cancel = clock.after(cleanUpMs, () => {
      cleaning = cleanUp()
        .catch((thrown: unknown) => log.warn('ca.clean-up-failed', { problem: messageOf(thrown) }))
        .finally(schedule);
    });
  };
  await cleanUp();
  schedule();

  const refuse = (from: string, problem: string, spiffeId?: string): IssueError => {
    log.warn('ca.token-refused', { from, problem, spiffeId });
    // The caller learns no more than this: which of the reasons it was is for the log.
    return new IssueError('UNAUTHENTICATED', 'the join token is not valid: unknown, used before or expired');
  };

  /** Exactly one caller gets through: whoever deletes the entry. */
  const redeem = async (token: string, from: string): Promise<Identity> => {
    const secret = secretOf(token);
    if (secret === undefined) throw refuse(from, 'malformed');
    const key = keyOf(secret);
    const entry = await vault.get(key);
    if (entry === undefined) throw refuse(from, used.has(key) ? 'used before' : 'unknown', used.get(key));
    const { spiffeId, expires } = readEntry(entry) ?? { spiffeId: '', expires: 0 };
    const identity = parseSpiffe(spiffeId);
    if (!(await vault.delete(key, entry.version))) throw refuse(from, 'used before', spiffeId);
    if (identity === undefined || expires <= clock.wall()) throw refuse(from, 'expired', spiffeId);
    used.set(key, spiffeId);
    if (used.size > maxUsed) used.delete(used.keys().next().value!);
    log.info('ca.token-used', { from, spiffeId });
    return identity;
  };

  return {
    async create(identity, ttlMs) {
      const spiffeId = formatSpiffe(identity);
      if (!isName(identity.namespace) || !isName(identity.service) || identity.trustDomain !== authority.trustDomain)
        throw new IssueError('PERMISSION_DENIED', `${spiffeId} is not an identity of ${authority.trustDomain}`);
      if (isControlPlane(identity))
        throw new IssueError('PERMISSION_DENIED', `${spiffeId} is the control plane itself and cannot be joined`);
      if (!(ttlMs > 0)) throw new RangeError('a join token needs a time to live greater than 0');
      if ((await vault.list(prefix)).length >= maxLive) {
        await cleanUp();
        if ((await vault.list(prefix)).length >= maxLive)
          throw new IssueError('RATE_LIMITED', `there are ${maxLive} join tokens that nobody used yet: wait for them`);
      }
      const secret = randomBytes(32);
      const expires = clock.wall() + Math.min(ttlMs, maxTtlMs);
      const value = Buffer.from(JSON.stringify({ spiffeId, expires }));
      if (!(await vault.put(keyOf(secret), value, 0))) throw new Error('two join tokens have one secret');
      log.info('ca.token-created', { spiffeId, expires: new Date(expires).toISOString() });
      const root = keyHash(authority.roots()[0]!).toString('base64url');
      return { token: `weft1.${secret.toString('base64url')}.${root}`, expires };
    },

    async consume(token, from) {
      if (!failures.take(from)) {
        log.warn('ca.join-limited', { from });
        throw new IssueError('RATE_LIMITED', 'too many failed attempts to join from this address: try again later');
      }
      try {
        const identity = await redeem(token, from);
        failures.giveBack(from);
        return identity;
      } catch (thrown) {
        if (thrown instanceof IssueError) throw thrown;
        log.error('ca.token-unchecked', { from, problem: messageOf(thrown) });
        throw new IssueError('UNAVAILABLE', 'the store cannot be reached now: try again later');
      }
    },

    async close() {
      closed = true;
      cancel();
      await cleaning;
    },
  };
}

/** Looked up by hash, so the time that it takes tells nothing about the secrets that exist. */
const keyOf = (secret: Uint8Array): string => prefix + createHash('sha256').update(secret).digest('hex');

function secretOf(token: string): Uint8Array | undefined {
  const found = /^weft1\.([A-Za-z0-9_-]{43})\.[A-Za-z0-9_-]{43}$/.exec(token);
  return found === null ? undefined : Buffer.from(found[1]!, 'base64url');
}

function readEntry({ value }: VaultEntry): z.infer<typeof entrySchema> | undefined {
  try {
    return entrySchema.parse(JSON.parse(Buffer.from(value).toString('utf8')));
  } catch {
    // Not ours or damaged: as good as expired.
    return undefined;
  }
}
