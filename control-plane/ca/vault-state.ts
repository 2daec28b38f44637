import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Vault } from '../store/store.ts';
import { importSigningCert, lifetimes, makeIntermediate, makeRoot } from './certificates.ts';
import type { Sealer, Sealers } from './sealed.ts';
import {
  type CaState,
  CaStateError,
  caKey,
  decodeState,
  derOf,
  encodeState,
  endOf,
  openCa,
  saltOf,
  sealCa,
} from './state.ts';

/** How often every control plane looks at the vault for what another one has changed. */
export const refreshMs = 60_000;
/**
 * How long a new intermediate is only known before it signs, so that no control plane meets a leaf under one that it
 * has not read yet.
 */
const knownBeforeUseMs = 10 * refreshMs;
/** Of control planes that start at once on an empty vault, all but one try again. */
const maxTries = 10;

export interface CaVaultOptions {
  readonly vault: Vault;
  readonly sealers: Sealers;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The CA as one control plane knows it. */
export interface Opened {
  readonly state: CaState;
  readonly version: number;
  readonly sealer: Sealer;
}

/**
 * The CA of the vault, made when there is none, with an intermediate that can sign. Throws CaStateError when it is not
 * ours to use, StoreError when the vault cannot be reached.
 */
export async function openVaultState(options: CaVaultOptions): Promise<Opened> {
  for (let tries = 0; tries < maxTries; tries++) {
    const entry = await options.vault.get(caKey);
    if (entry === undefined) {
      // Read back in the next round, whoever was first.
      await createState(options);
      continue;
    }
    const ready = await renewed(options, await readState(options, entry.value, entry.version));
    if (ready !== undefined) return ready;
  }
  throw new CaStateError('the CA in the store kept changing while it was opened: start again');
}

/** Does nothing when another control plane was first. */
async function createState({ vault, sealers, trustDomain, clock, log }: CaVaultOptions): Promise<void> {
  const deriving = sealers.of(sealers.newSalt);
  const root = await makeRoot(trustDomain, clock.wall());
  const signer = await importSigningCert(root.cert, root.pkcs8);
  const intermediate = await makeIntermediate(trustDomain, clock.wall(), signer);
  const sealer = await deriving;
  const state: CaState = {
    format: 1,
    trustDomain,
    salt: Buffer.from(sealers.newSalt).toString('base64'),
    roots: [sealCa(sealer, trustDomain, root)],
    intermediates: [{ ...sealCa(sealer, trustDomain, intermediate), from: clock.wall() }],
  };
  if (await vault.put(caKey, encodeState(state), 0)) log.info('ca.created', { trustDomain });
}

async function readState(options: CaVaultOptions, value: Uint8Array, version: number): Promise<Opened> {
  const state = decodeState(value);
  if (state.trustDomain !== options.trustDomain)
    throw new CaStateError(
      `the CA in this store is for the trust domain ${state.trustDomain}, not ${options.trustDomain}: ` +
        `start with --trust-domain ${state.trustDomain}, or use another store`,
    );
  const sealer = await options.sealers.of(saltOf(state));
  for (const sealed of [...state.roots, ...state.intermediates]) openCa(sealer, state.trustDomain, sealed);
  return { state, version, sealer };
}

/** What the vault has now; `known` itself when nothing has changed. */
export async function reread(options: CaVaultOptions, known: Opened): Promise<Opened> {
  const entry = await options.vault.get(caKey);
  if (entry === undefined) throw new CaStateError('the CA is gone from the store: restore it from a backup');
  const current = entry.version === known.version ? known : await readState(options, entry.value, entry.version);
  return (await renewed(options, current)) ?? current;
}

/**
 * Adds the next intermediate when the newest one has less than a month left. undefined when another control plane
 * changed the CA meanwhile.
 */
async function renewed(options: CaVaultOptions, opened: Opened): Promise<Opened | undefined> {
  const { vault, clock, log, trustDomain } = options;
  const { state, sealer } = opened;
  const wall = clock.wall();
  const root = state.roots.toSorted((a, b) => endOf(b) - endOf(a))[0]!;
  const newest = Math.max(0, ...state.intermediates.map(endOf));
  // An intermediate that already lasts as long as its root cannot be followed by a longer one.
  if (newest - wall > lifetimes.renewIntermediate || newest >= endOf(root) || endOf(root) <= wall) return opened;
  const { cert, pkcs8 } = openCa(sealer, trustDomain, root);
  const next = await makeIntermediate(trustDomain, wall, await importSigningCert(cert, pkcs8));
  const live = state.intermediates.filter((one) => endOf(one) > wall);
  // Without one that can sign now there is nothing to wait for.
  const from = live.length === 0 ? wall : wall + knownBeforeUseMs;
  const changed: CaState = {
    ...state,
    intermediates: [...live, { ...sealCa(sealer, trustDomain, next), from }],
  };
  if (!(await vault.put(caKey, encodeState(changed), opened.version))) return undefined;
  log.info('ca.issuer-created', { trustDomain, signsFrom: new Date(from).toISOString() });
  const entry = await vault.get(caKey);
  return entry && readState(options, entry.value, entry.version);
}

/** Certificates of every intermediate that is known. */
export const intermediatesOf = (state: CaState): readonly Uint8Array[] => state.intermediates.map(derOf);
