import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { formatSpiffe } from '../../lib/spiffe.ts';
import type { IdentityDefinition, IdentityHandlers } from '../../proto/gen/weft/v1/Identity.ts';
import type { IdentityReply } from '../../proto/gen/weft/v1/IdentityReply.ts';
import { weftProto } from '../../proto/load.ts';
import { attemptLimit } from '../ca/attempts.ts';
import { type Authority, type Issued, IssueError, type JoinTokens } from '../ca/authority.ts';
import { addressOf, fromIssueError, serviceError, verifiedPeer } from './peer.ts';

export interface IdentityServiceOptions {
  readonly authority: Authority;
  readonly tokens: JoinTokens;
  readonly clock: Clock;
  readonly log: Log;
}

/** For `Server.addService(definition, handlers)`, on a server with the credentials of `serverCredentials`. */
export interface IdentityService {
  readonly definition: IdentityDefinition;
  readonly handlers: IdentityHandlers;
}

/** How a workload gets its first certificate for a join token, and each later one for the one before. */
export function identityService({ authority, tokens, clock, log }: IdentityServiceOptions): IdentityService {
  // Many endpoints share one identity, so this stops a loop, not a rollout.
  const renewals = attemptLimit({ burst: 100, perSecond: 10, clock });

  /** Runs one call to its answer; whatever is thrown becomes a status, never the end of the process. */
  const answer = <Req>(
    call: ServerUnaryCall<Req, IdentityReply>,
    callback: sendUnaryData<IdentityReply>,
    issue: () => Promise<Issued>,
  ): void => {
    issue().then(
      ({ spiffeId, chain, roots }) => callback(null, { spiffeId, chain: buffers(chain), roots: buffers(roots) }),
      (thrown: unknown) => {
        if (thrown instanceof IssueError) return callback(fromIssueError(thrown));
        if (isServiceError(thrown)) return callback(thrown);
        log.error('identity.call-failed', { problem: messageOf(thrown), from: addressOf(call) });
        callback(serviceError(status.INTERNAL, 'the control plane failed while it made a certificate'));
      },
    );
  };

  return {
    definition: weftProto().Identity.service,
    handlers: {
      Join: (call, callback) =>
        answer(call, callback, async () => {
          const from = addressOf(call);
          const identity = await tokens.consume(call.request.token, from);
          return authority.sign(call.request.csr, identity, { requester: `join from ${from}` });
        }),

      Renew: (call, callback) =>
        answer(call, callback, async () => {
          const identity = verifiedPeer(call, authority);
          const spiffeId = formatSpiffe(identity);
          if (!renewals.take(spiffeId)) {
            log.warn('identity.renewal-limited', { spiffeId, from: addressOf(call) });
            throw new IssueError('RATE_LIMITED', `too many renewals for ${spiffeId}: try again later`);
          }
          return authority.sign(call.request.csr, identity, { requester: `${spiffeId} at ${addressOf(call)}` });
        }),
    },
  };
}

const buffers = (ders: readonly Uint8Array[]): Buffer[] => ders.map((der) => Buffer.from(der));

const isServiceError = (thrown: unknown): thrown is ReturnType<typeof serviceError> =>
  typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'metadata' in thrown;
