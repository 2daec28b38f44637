import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { controlPlaneId } from '../../lib/spiffe.ts';
import { chainProblem, clockAdvice, keyHash, readSvid, toPem } from '../../lib/svid.ts';
import { checkPeer } from './verify.ts';

const connectTimeoutMs = 5000;
/** The name sent in SNI; the control plane is known by its SPIFFE ID, not by where it is. */
const serverName = 'control-plane';

/** Where one name stands for several control planes, sidecars take them in random order: the system gives all the same. */
const spread = JSON.stringify({ loadBalancingConfig: [{ pick_first: { shuffleAddressList: true } }] });

/** What a grpc-js client is made with: `new Client(target, credentials, options)`. */
export interface ControlPlaneChannel {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/**
 * How to call the control plane with an identity; after each renewal a new channel, since a channel keeps the
 * certificate that it began with. The other end must prove that it is the control plane of this trust domain.
 */
export function controlPlaneChannel(
  address: Address,
  trust: { readonly context: SecureContext; readonly trustDomain: string },
): ControlPlaneChannel {
  const expected = controlPlaneId(trust.trustDomain);
  const credentials = ChannelCredentials.createFromSecureContext(trust.context, {
    checkServerIdentity(_host, cert) {
      const peer = checkPeer(new X509Certificate(cert.raw), expected, trust.trustDomain);
      return 'reason' in peer ? new Error(`the other end is not the control plane: ${peer.reason}`) : undefined;
    },
  });
  return {
    target: targetOf(address),
    credentials,
    options: {
      'grpc.ssl_target_name_override': serverName,
      // A proxy of the environment has no business between a sidecar and its control plane.
      'grpc.enable_http_proxy': 0,
      'grpc.service_config': spread,
      'grpc.service_config_disable_resolution': 1,
    },
  };
}

function targetOf(address: Address): string {
  if ('path' in address) return formatAddress(address);
  const scheme = { 0: 'dns', 4: 'ipv4', 6: 'ipv6' }[isIP(address.host)];
  return `${scheme}:${formatAddress(address)}`;
}

/** The control plane could not be reached, or is not the one that was expected. */
class ControlPlaneError extends Error {
  override readonly name = 'ControlPlaneError';
}

/**
 * Asks the control plane for its certificates and checks them against the hash that a join token carries, before
 * anything secret is said. Gives what to trust from there on. Throws ControlPlaneError.
 */
export async function fetchTrust(
  address: Address,
  rootHash: Uint8Array,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly context: SecureContext; readonly trustDomain: string }> {
  const where = formatAddress(address);
  const chain = await fetchChain(address, signal);
  const root = chain.find((der) => keyHash(der).equals(rootHash));
  const [leaf, ...between] = chain;
  if (leaf === undefined || root === undefined)
    throw new ControlPlaneError(
      `the control plane at ${where} is not the one that made this join token: check the address, or make a new token`,
    );
  const proof = readSvid(leaf);
  const wall = clock.wall();
  const problem = 'reason' in proof ? proof.reason : chainProblem(leaf, between, [root], wall);
  if (problem !== undefined || 'reason' in proof) {
    const advice = problem === undefined ? '' : clockAdvice(problem, wall);
    throw new ControlPlaneError(
      `the certificate of the control plane at ${where} is not believed: ${problem}${advice}`,
    );
  }
  const { trustDomain } = proof.identity;
  if (proof.spiffeId !== controlPlaneId(trustDomain))
    throw new ControlPlaneError(`${where} is ${proof.spiffeId}, not a control plane`);
  return { context: createSecureContext({ ca: toPem([root]), minVersion: 'TLSv1.3' }), trustDomain };
}

/** The certificates that a server sends, leaf first, as DER. Nothing about them has been checked. */
function fetchChain(address: Address, signal: AbortSignal): Promise<readonly Uint8Array[]> {
  const where = formatAddress(address);
  return new Promise((resolve, reject) => {
    // Not verified here on purpose: the caller compares the root with a hash, and nothing is sent.
    const socket = connect({
      ...address,
      servername: serverName,
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
    });
    const fail = (problem: string): void => {
      reject(
        new ControlPlaneError(
          `cannot reach the control plane at ${where}: ${problem}; does it run, and is --control-plane right?`,
        ),
      );
      socket.destroy();
    };
    const onAbort = (): void => fail('closed');
    signal.addEventListener('abort', onAbort);
    socket.setTimeout(connectTimeoutMs, () => fail(`no answer within ${connectTimeoutMs / 1000} s`));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      fail('the connection was closed');
    });
    socket.on('secureConnect', () => {
      resolve(peerChain(socket));
      socket.destroy();
    });
    if (signal.aborted) onAbort();
  });
}

function peerChain(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  // A server chooses how much it sends; ours sends three.
  for (
    let cert = socket.getPeerX509Certificate();
    cert !== undefined && chain.length < 8;
    cert = cert.issuerCertificate
  )
    chain.push(cert.raw);
  return chain;
}
