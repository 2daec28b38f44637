import { createHash, generateKeyPair, type KeyObject, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.ts';
import { controlPlaneName, formatSpiffe, type Identity, isTrustDomain } from '../../lib/spiffe.ts';
import { chainProblem, readSvid, toPem } from '../../lib/svid.ts';
import { type Authority, type Issued, IssueError, type SignOptions } from './authority.ts';
import { importSigningCert, lifetimes, makeLeaf, type SigningCert } from './certificates.ts';
import { checkNames, parseCsr } from './csr.ts';
import { derOf, endOf, openCa } from './state.ts';
import { type CaVaultOptions, intermediatesOf, type Opened, openVaultState, refreshMs, reread } from './vault-state.ts';

const generateKey = promisify(generateKeyPair);

export const isControlPlane = ({ namespace, service }: Pick<Identity, 'namespace' | 'service'>): boolean =>
  namespace === controlPlaneName.namespace && service === controlPlaneName.service;

/** The shortest time that is worth a certificate: below it the caller would be back at once. */
const minTtlMs = 60_000;

export interface OpenAuthority extends Authority {
  close(): Promise<void>;
}

/** One issuing certificate, ready to sign. */
interface Issuer extends SigningCert {
  readonly from: number;
  readonly der: Uint8Array;
}

/** What is used of the CA until the vault has something newer. */
interface View {
  readonly opened: Opened;
  readonly roots: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
  readonly issuers: readonly Issuer[];
}

/**
 * The certificate authority of a trust domain: a root (10 years) whose key signs issuing certificates only, and an
 * issuing certificate (1 year, followed by the next a month before its end) that signs leaves. Both keys lie encrypted
 * in the vault. Every control plane on one vault is the same authority.
 *
 * Throws CaStateError when the vault's CA belongs to another secret or trust domain.
 */
export async function openAuthority(options: CaVaultOptions): Promise<OpenAuthority> {
  const { trustDomain, clock, log } = options;
  if (!isTrustDomain(trustDomain)) throw new RangeError(`'${trustDomain}' is not a trust domain (SPIFFE-ID 2.1)`);
  let view = await viewOf(await openVaultState(options), trustDomain);
  let closed = false;
  let cancel = (): void => undefined;
  let refreshing: Promise<void> = Promise.resolve();

  const refresh = async (): Promise<void> => {
    try {
      const opened = await reread(options, view.opened);
      if (opened !== view.opened) view = await viewOf(opened, trustDomain);
    } catch (thrown) {
      // What is known stays good; the next look may find the store again.
      log.warn('ca.refresh-failed', { problem: messageOf(thrown) });
    }
    schedule();
  };
  const schedule = (): void => {
    if (closed) return;
    cancel = clock.after(refreshMs, () => {
      refreshing = refresh();
    });
  };
  schedule();

  const issuerNow = (): Issuer => {
    const wall = clock.wall();
    const able = view.issuers.filter(
      ({ cert, from }) =>
        from <= wall && cert.notBefore.getTime() <= wall && cert.notAfter.getTime() - wall >= minTtlMs,
    );
    const best = able.toSorted((a, b) => b.cert.notAfter.getTime() - a.cert.notAfter.getTime())[0];
    if (best !== undefined) return best;
    log.error('ca.no-issuer', { trustDomain });
    throw new IssueError('UNAVAILABLE', 'the certificate authority has no issuing certificate that is valid now');
  };

  const issue = async (
    publicKey: KeyObject,
    identity: Identity,
    { ttlMs, requester }: SignOptions,
    names: readonly string[] = [],
  ): Promise<Issued> => {
    const issuer = issuerNow();
    const request = { publicKey, identity, wall: clock.wall(), ttlMs: clampTtl(ttlMs), names };
    const { cert, serial, notAfter } = await makeLeaf(request, issuer);
    const spiffeId = formatSpiffe(identity);
    log.info('ca.certificate-issued', {
      spiffeId,
      serial,
      sha256: createHash('sha256').update(cert).digest('hex'),
      expires: new Date(notAfter).toISOString(),
      requester,
    });
    return { spiffeId, chain: [cert, issuer.der], roots: view.roots, notAfter };
  };

  const isOwnKey = (key: KeyObject): boolean =>
    [...view.roots, ...view.intermediates].some((der) => new X509Certificate(der).publicKey.equals(key));

  return {
    trustDomain,
    roots: () => view.roots,
    rootExpires: () => Math.min(...view.opened.state.roots.map(endOf)),

    async sign(bytes, identity, given = {}) {
      const spiffeId = formatSpiffe(identity);
      try {
        if (identity.trustDomain !== trustDomain || isControlPlane(identity))
          throw new IssueError('PERMISSION_DENIED', `${spiffeId} is not an identity that workloads get here`);
        const csr = await parseCsr(bytes);
        if (isOwnKey(csr.publicKey)) throw new IssueError('INVALID_CSR', 'this key belongs to somebody else');
        checkNames(csr, identity);
        return await issue(csr.publicKey, identity, given);
      } catch (thrown) {
        const problem = messageOf(thrown);
        log.warn('ca.certificate-refused', { spiffeId, problem, requester: given.requester });
        throw thrown;
      }
    },

    async issueServer(names) {
      const { publicKey, privateKey } = await generateKey('ec', { namedCurve: 'P-256' });
      const identity = { trustDomain, ...controlPlaneName };
      const { chain } = await issue(publicKey, identity, { requester: 'control plane' }, names);
      return {
        // With the root, which a workload that joins compares with the hash in its token.
        certPem: toPem([...chain, ...view.roots]),
        keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },

    verifyPeer(leaf, chain) {
      const proof = readSvid(leaf);
      const problem =
        'reason' in proof
          ? proof.reason
          : proof.identity.trustDomain !== trustDomain
            ? 'trust-domain'
            : chainProblem(leaf, [...view.intermediates, ...chain], view.roots, clock.wall());
      if (problem !== undefined || 'reason' in proof)
        throw new IssueError('UNAUTHENTICATED', `the client certificate is not believed: ${problem}`);
      return proof.identity;
    },

    async close() {
      closed = true;
      cancel();
      await refreshing;
    },
  };
}

async function viewOf(opened: Opened, trustDomain: string): Promise<View> {
  const { state, sealer } = opened;
  const issuers = state.intermediates.map(async (stored) => {
    const { cert, pkcs8 } = openCa(sealer, trustDomain, stored);
    return { ...(await importSigningCert(cert, pkcs8)), der: cert, from: stored.from };
  });
  return {
    opened,
    roots: state.roots.map(derOf),
    intermediates: intermediatesOf(state),
    issuers: await Promise.all(issuers),
  };
}

const clampTtl = (ttlMs = 0): number =>
  ttlMs > 0 ? Math.min(Math.max(ttlMs, minTtlMs), lifetimes.leaf) : lifetimes.leaf;
