import type { Identity } from '../../lib/spiffe.ts';

/** A certificate with what is needed to use it. Everything DER. */
export interface Issued {
  readonly spiffeId: string;
  /** Leaf first, then the intermediate. */
  readonly chain: readonly Uint8Array[];
  readonly roots: readonly Uint8Array[];
  /** Epoch ms. */
  readonly notAfter: number;
}

export type IssueErrorCode = 'UNAUTHENTICATED' | 'PERMISSION_DENIED' | 'INVALID_CSR' | 'RATE_LIMITED' | 'UNAVAILABLE';

export class IssueError extends Error {
  override readonly name = 'IssueError';
  readonly code: IssueErrorCode;

  constructor(code: IssueErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface SignOptions {
  /** At most, and unless told otherwise, 24 h. */
  readonly ttlMs?: number;
  /** Who asked, for the audit log. */
  readonly requester?: string;
}

/** Signs certificates for workloads. */
export interface Authority {
  readonly trustDomain: string;
  /** DER certificates of every root that is trusted now. */
  roots(): readonly Uint8Array[];
  /** Epoch ms at which the oldest root that we sign under ends. */
  rootExpires(): number;
  /**
   * A certificate for `identity`; of the CSR only the public key is used, after its self-signature was checked.
   * Throws IssueError INVALID_CSR, PERMISSION_DENIED (it names somebody else) or UNAVAILABLE (no issuer is valid now).
   */
  sign(csr: Uint8Array, identity: Identity, options?: SignOptions): Promise<Issued>;
  /** The same with a key made here, for the control plane's own server certificate (with DNS and IP names). */
  issueServer(names: readonly string[]): Promise<{ readonly certPem: string; readonly keyPem: string }>;
  /**
   * Who the bearer of this certificate is. Throws IssueError UNAUTHENTICATED unless it chains to our roots, is valid
   * now and carries exactly one SPIFFE ID of our trust domain.
   */
  verifyPeer(leaf: Uint8Array, chain: readonly Uint8Array[]): Identity;
}

/** Single-use secrets that let a workload ask for its first certificate. */
export interface JoinTokens {
  create(identity: Identity, ttlMs: number): Promise<{ readonly token: string; readonly expires: number }>;
  /** Exactly one caller gets the identity; everyone else, and everyone late, an IssueError UNAUTHENTICATED. */
  consume(token: string, from: string): Promise<Identity>;
}
