import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WeftError } from '../../lib/errors.ts';
import type { EndpointSpec } from '../snapshot/inputs.ts';
import type { ConnectionStats } from '../telemetry/telemetry.ts';
import type { LiveCredentials } from '../tls/credentials.ts';
import { checkPeer } from '../tls/verify.ts';

export interface Connected {
  readonly socket: Socket;
  /** SPIFFE ID that the endpoint proved; '' over plain text. */
  readonly peer: string;
  readonly stats: ConnectionStats;
}

/** Opens a connection to an endpoint. Fails with WeftError UPSTREAM_CONNECT or UPSTREAM_IDENTITY within `timeoutMs`. */
export type Connect = (spec: EndpointSpec, timeoutMs: number) => Promise<Connected>;

const MAX_TIMER_MS = 2 ** 31 - 1;

/** What an endpoint's address means for node:net. */
const target = (spec: EndpointSpec): { path: string } | { host: string; port: number } =>
  spec.address.startsWith('unix:') ? { path: spec.address.slice(5) } : { host: spec.address, port: spec.port };

/**
 * Plain text to endpoints without an identity, mutual TLS to those with one. Without credentials of our own nothing is
 * sent to an endpoint that has an identity: never plain text instead.
 */
export function connector(credentials: LiveCredentials | undefined, stats: ConnectionStats): Connect {
  return (spec, timeoutMs) =>
    new Promise((resolve, reject) => {
      const own = credentials?.current;
      const where = `${spec.address}:${spec.port}`;
      if (spec.identity !== '' && own === undefined) {
        reject(new WeftError('UPSTREAM_IDENTITY', { detail: `no certificate yet to connect to ${where} with` }));
        return;
      }
      const secure = spec.identity !== '';
      const socket: Socket =
        own === undefined || !secure
          ? connectPlain({ ...target(spec), allowHalfOpen: true, noDelay: true })
          : connectTls({
              ...target(spec),
              secureContext: own.context,
              ALPNProtocols: ['http/1.1'],
              rejectUnauthorized: true,
              // The name to check is the SPIFFE ID, below; host names mean nothing here.
              checkServerIdentity: () => undefined,
            });
      let done = false;
      const fail = (code: 'UPSTREAM_CONNECT' | 'UPSTREAM_IDENTITY', detail: string): void => {
        if (done) return;
        done = true;
        clearTimeout(timer);
        socket.destroy();
        if (secure) stats.handshake(false, code === 'UPSTREAM_IDENTITY' ? 'identity' : 'connect');
        reject(new WeftError(code, { detail }));
      };
      const late = (): void => fail('UPSTREAM_CONNECT', `no connection to ${where} within ${timeoutMs} ms`);
      // Node takes a time that does not fit its timers for 1 ms.
      const timer = timeoutMs <= MAX_TIMER_MS ? setTimeout(late, timeoutMs) : undefined;
      // Stays for good: an error that nobody listens to ends the process.
      socket.on('error', (error) => {
        const tls = secure && 'authorizationError' in socket && socket.authorizationError !== null;
        fail(tls ? 'UPSTREAM_IDENTITY' : 'UPSTREAM_CONNECT', `${where}: ${error.message}`);
      });
      socket.once('close', () => fail('UPSTREAM_CONNECT', `${where} closed the connection`));
      // Kept from reading until somebody is there to take what comes.
      if (!secure) socket.pause();
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        if (done) return;
        let peer = '';
        if (own !== undefined && 'getPeerX509Certificate' in socket) {
          const certificate = (socket as import('node:tls').TLSSocket).getPeerX509Certificate();
          const checked = checkPeer(certificate, spec.identity, own.trustDomain);
          if ('reason' in checked) {
            fail('UPSTREAM_IDENTITY', `${where} is not ${spec.identity}: ${checked.reason}`);
            return;
          }
          peer = checked.spiffeId;
          stats.handshake(true, '');
          socket.setNoDelay(true);
        }
        done = true;
        clearTimeout(timer);
        resolve({ socket, peer, stats });
      });
    });
}
