import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { toPem } from '../../lib/svid.ts';
import type { Authority } from '../ca/authority.ts';

const retryMs = 10_000;
/** How often it looks whether the roots have changed. */
const checkMs = 60_000;

export interface OwnCredentials {
  /** For `Server.bindAsync`. */
  readonly credentials: ServerCredentials;
  /** For connections that the control plane opens itself: the same certificate, and whom it trusts. Another one after each renewal. */
  context(): SecureContext;
  close(): Promise<void>;
}

/**
 * The control plane's own certificate for the port of the sidecars, renewed at half of its life and when the roots
 * change; connections that are open stay. `names`: the host names and IP addresses at which the port can be reached.
 */
export async function serverCredentials(
  authority: Authority,
  names: readonly string[],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<OwnCredentials> {
  const issue = async () => {
    const roots = toPem(authority.roots());
    const { certPem, keyPem } = await authority.issueServer(names);
    const notAfter = new X509Certificate(certPem).validToDate.getTime();
    const options = contextOptions(certPem, keyPem, roots);
    return { roots, renewAt: (clock.wall() + notAfter) / 2, options, context: createSecureContext(options) };
  };

  let current = await issue();
  const credentials = new MeshServerCredentials(current.options);
  let closed = false;
  let cancel = (): void => undefined;
  let renewing: Promise<void> = Promise.resolve();

  const renew = async (): Promise<void> => {
    if (clock.wall() < current.renewAt && toPem(authority.roots()) === current.roots) return schedule();
    try {
      current = await issue();
      credentials.update(current.options);
      schedule();
    } catch (thrown) {
      log.warn('identity.own-renewal-failed', { problem: messageOf(thrown) });
      schedule(retryMs);
    }
  };
  const schedule = (ms = checkMs): void => {
    if (closed) return;
    cancel = clock.after(ms, () => {
      renewing = renew();
    });
  };
  schedule();

  return {
    credentials,
    context: () => current.context,
    async close() {
      closed = true;
      cancel();
      await renewing;
    },
  };
}

const contextOptions = (cert: string, key: string, ca: string): SecureContextOptions => ({
  cert,
  key,
  ca,
  minVersion: 'TLSv1.3',
  // A resumed session would skip the check of the client certificate.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/**
 * Asks for a client certificate and lets a client without one in: a workload that joins has none yet. `createSsl` can
 * only demand or not ask. What was presented is judged by `verifiedPeer`, for each call.
 */
class MeshServerCredentials extends ServerCredentials {
  constructor(options: SecureContextOptions) {
    super({ requestCert: true, rejectUnauthorized: false }, options);
  }

  update(options: SecureContextOptions): void {
    this.updateSecureContextOptions(options);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
