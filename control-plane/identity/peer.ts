import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Identity } from '../../lib/spiffe.ts';
import { type Authority, IssueError, type IssueErrorCode } from '../ca/authority.ts';

/** The parts of a grpc-js server call, unary or stream, that say who is calling. */
export interface PeerCall {
  getPeer(): string;
  getAuthContext(): { readonly sslPeerCertificate?: { readonly raw?: Uint8Array } } | null;
}

const codes = {
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  INVALID_CSR: status.INVALID_ARGUMENT,
  RATE_LIMITED: status.RESOURCE_EXHAUSTED,
  UNAVAILABLE: status.UNAVAILABLE,
} as const satisfies Record<IssueErrorCode, status>;

/** An error that grpc-js sends as it is. */
export function serviceError(code: status, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

export const fromIssueError = (error: IssueError): ServiceError => serviceError(codes[error.code], error.message);

/**
 * Who is calling, by the client certificate of the connection; to be asked once for each call or stream, because a
 * connection can outlive its certificate. Throws a ServiceError UNAUTHENTICATED when there is none or it is not
 * believed.
 */
export function verifiedPeer(call: PeerCall, authority: Pick<Authority, 'verifyPeer'>): Identity {
  // grpc-js gives a certificate only when the handshake has verified its chain.
  const leaf = call.getAuthContext()?.sslPeerCertificate?.raw;
  if (leaf === undefined)
    throw serviceError(status.UNAUTHENTICATED, 'this call needs a client certificate that this mesh has issued');
  try {
    return authority.verifyPeer(leaf, []);
  } catch (thrown) {
    throw thrown instanceof IssueError ? fromIssueError(thrown) : thrown;
  }
}

/** The address of a caller without its port, which changes with each connection. */
export function addressOf(call: PeerCall): string {
  const peer = call.getPeer();
  return /^\[?(.*?)\]?:\d+$/.exec(peer)?.[1] ?? peer;
}
