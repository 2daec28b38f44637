import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { WeftError } from '../../lib/errors.ts';
import type { Files } from '../limits/files.ts';
import type { EndpointSpec } from '../snapshot/inputs.ts';
import type { ConnectionStats } from '../telemetry/telemetry.ts';
import type { Credentials, LiveCredentials } from '../tls/credentials.ts';
import { checkPeer } from '../tls/verify.ts';

export interface Connected {
  readonly socket: Socket;
  /** SPIFFE ID that the endpoint proved; '' over plain text. */
  readonly peer: string;
  /** The one of the protocols offered that the endpoint chose (ALPN); '' when it chose none, and over plain text. */
  readonly protocol: string;
  readonly stats: ConnectionStats;
}

type Failure = 'UPSTREAM_CONNECT' | 'UPSTREAM_IDENTITY' | 'OUT_OF_FILES';

/** Opens a connection to an endpoint. Fails with WeftError and the code of a Failure within `timeoutMs`. */
export type Connect = (spec: EndpointSpec, timeoutMs: number) => Promise<Connected>;

const MAX_TIMER_MS = 2 ** 31 - 1;

/** What an endpoint's address means for node:net. */
const target = (spec: EndpointSpec): { path: string } | { host: string; port: number } =>
  spec.address.startsWith('unix:') ? { path: spec.address.slice(5) } : { host: spec.address, port: spec.port };

const tlsOptions = (spec: EndpointSpec, own: Credentials, protocols: readonly string[]) => ({
  ...target(spec),
  secureContext: own.context,
  ALPNProtocols: [...protocols],
  allowHalfOpen: true,
  rejectUnauthorized: true,
  // The name to check is the SPIFFE ID, by whoever connects; host names mean nothing here.
  checkServerIdentity: () => undefined,
});

/** The endpoint is not to blame when this process, or its machine, can open no more files. */
const failureOf = ({ code }: NodeJS.ErrnoException): Failure =>
  code === 'EMFILE' || code === 'ENFILE' ? 'OUT_OF_FILES' : 'UPSTREAM_CONNECT';

/** A certificate of ours is renewed long before its end, so one that is out of its time is mostly one of a wrong clock. */
const clockHint = ({ code }: NodeJS.ErrnoException): string =>
  code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED'
    ? '; the clock here or there is wrong: set it (NTP)'
    : '';

/**
 * Plain text to endpoints without an identity, mutual TLS to those with one. Without credentials of our own nothing is
 * sent to an endpoint that has an identity: never plain text instead. `protocols`: what is offered to it (ALPN).
 */
export function connector(
  credentials: LiveCredentials | undefined,
  stats: ConnectionStats,
  files: Files,
  protocols: readonly string[],
): Connect {
  return (spec, timeoutMs) =>
    new Promise((resolve, reject) => {
      const own = credentials?.current;
      const where = `${spec.address}:${spec.port}`;
      if (spec.identity !== '' && own === undefined) {
        reject(new WeftError('UPSTREAM_IDENTITY', { detail: `no certificate yet to connect to ${where} with` }));
        return;
      }
      if (!files.roomForUpstream) {
        reject(new WeftError('OUT_OF_FILES', { detail: `no file left for a connection to ${where}` }));
        return;
      }
      const secure = spec.identity !== '';
      const socket: Socket =
        own === undefined || !secure
          ? connectPlain({ ...target(spec), allowHalfOpen: true, noDelay: true })
          : connectTls(tlsOptions(spec, own, protocols));
      files.count(socket);
      let done = false;
      const fail = (code: Failure, detail: string): void => {
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
        fail(tls ? 'UPSTREAM_IDENTITY' : failureOf(error), `${where}: ${error.message}${clockHint(error)}`);
      });
      socket.once('close', () => fail('UPSTREAM_CONNECT', `${where} closed the connection`));
      // Kept from reading until somebody is there to take what comes.
      if (!secure) socket.pause();
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        if (done) return;
        let peer = '';
        let protocol = '';
        if (own !== undefined && 'getPeerX509Certificate' in socket) {
          const tls = socket as TLSSocket;
          const checked = checkPeer(tls.getPeerX509Certificate(), spec.identity, own.trustDomain);
          if ('reason' in checked) {
            fail('UPSTREAM_IDENTITY', `${where} is not ${spec.identity}: ${checked.reason}`);
            return;
          }
          peer = checked.spiffeId;
          protocol = tls.alpnProtocol || '';
          stats.handshake(true, '');
          socket.setNoDelay(true);
        }
        done = true;
        clearTimeout(timer);
        resolve({ socket, peer, protocol, stats });
      });
    });
}
