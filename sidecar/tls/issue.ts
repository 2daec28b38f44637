import type { ClientUnaryCall, requestCallback } from '@grpc/grpc-js';
import type { Address } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { IdentityClient } from '../../proto/gen/weft/v1/Identity.ts';
import type { IdentityReply__Output } from '../../proto/gen/weft/v1/IdentityReply.ts';
import { weftProto } from '../../proto/load.ts';
import { type ControlPlaneChannel, controlPlaneChannel, fetchTrust } from './control-plane.ts';
import type { Credentials } from './credentials.ts';
import { makeKeyRequest } from './csr.ts';
import { CredentialsError, makeCredentials } from './make-credentials.ts';

const callTimeoutMs = 10_000;

/** A join token that can be checked against a control plane. */
export interface JoinToken {
  /** The whole of it, as the control plane wants it. Never to be printed. */
  readonly text: string;
  readonly rootHash: Uint8Array;
}

/** Reads `weft1.<secret>.<hash of the root's key>`; undefined when it is anything else. */
export function parseJoinToken(given: string): JoinToken | undefined {
  const text = given.trim();
  const found = /^weft1\.[A-Za-z0-9_-]{43}\.([A-Za-z0-9_-]{43})$/.exec(text);
  return found === null ? undefined : { text, rootHash: Buffer.from(found[1]!, 'base64url') };
}

export interface IssueOptions {
  readonly controlPlane: Address;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The first certificate, for a join token. Throws ControlPlaneError, CredentialsError or an error of gRPC. */
export async function join(token: JoinToken, options: IssueOptions): Promise<Credentials> {
  const { controlPlane, clock, signal } = options;
  const trust = await fetchTrust(controlPlane, token.rootHash, clock, signal);
  const { keyPem, csr } = await makeKeyRequest();
  const reply = await call(controlPlaneChannel(controlPlane, trust), signal, (client, deadline, done) =>
    client.Join({ token: token.text, csr: Buffer.from(csr) }, { deadline }, done),
  );
  return accept(reply, keyPem, clock.wall());
}

/** The next certificate, for the present one and a new key. Throws like `join`. */
export async function renew(current: Credentials, options: IssueOptions): Promise<Credentials> {
  const { controlPlane, clock, signal } = options;
  const { keyPem, csr } = await makeKeyRequest();
  const reply = await call(controlPlaneChannel(controlPlane, current), signal, (client, deadline, done) =>
    client.Renew({ csr: Buffer.from(csr) }, { deadline }, done),
  );
  const next = accept(reply, keyPem, clock.wall());
  if (next.spiffeId !== current.spiffeId)
    throw new CredentialsError(`the control plane answered with a certificate for ${next.spiffeId}`);
  return next;
}

/** What was received is believed no more than what any peer sends. */
function accept(reply: IdentityReply__Output, keyPem: string, wall: number): Credentials {
  if (reply.chain.length > 8 || reply.roots.length > 16)
    throw new CredentialsError('the control plane answered with too many certificates');
  const credentials = makeCredentials({ chain: reply.chain, keyPem, roots: reply.roots }, wall);
  if (credentials.spiffeId !== reply.spiffeId)
    throw new CredentialsError(`the control plane answered with a certificate for ${credentials.spiffeId}`);
  return credentials;
}

type Start = (
  client: IdentityClient,
  deadline: number,
  done: requestCallback<IdentityReply__Output>,
) => ClientUnaryCall;

function call(channel: ControlPlaneChannel, signal: AbortSignal, start: Start): Promise<IdentityReply__Output> {
  const client = new (weftProto().Identity)(channel.target, channel.credentials, channel.options);
  return new Promise<IdentityReply__Output>((resolve, reject) => {
    const running = start(client, Date.now() + callTimeoutMs, (error, reply) => {
      signal.removeEventListener('abort', onAbort);
      if (reply === undefined) reject(error ?? new CredentialsError('the control plane answered with nothing'));
      else resolve(reply);
    });
    const onAbort = (): void => running.cancel();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  }).finally(() => client.close());
}
