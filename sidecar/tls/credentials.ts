import type { SecureContext } from 'node:tls';
import type { Live } from '../../lib/live.ts';

/** What this sidecar proves itself with, and whom it trusts. Swapped whole at each renewal. */
export interface Credentials {
  readonly spiffeId: string;
  readonly trustDomain: string;
  /** Certificate chain, leaf first. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Every root to trust. */
  readonly rootsPem: string;
  /** Epoch ms. */
  readonly notAfter: number;
  /** TLS 1.3 only, shared by all connections of this identity: one per renewal, never one per connection. */
  readonly context: SecureContext;
}

/** undefined until there is a certificate: until then nothing may pass. */
export type LiveCredentials = Live<Credentials | undefined>;
