import { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect, type SecureContext } from 'node:tls';
import type { Address } from '../../lib/address.ts';
import { readSvid } from '../../lib/svid.ts';

/** What sidecars call connections for their admin pages (ALPN). They take them from a control plane only. */
const PROTOCOL = 'weft-admin';
const connectMs = 5000;
/** Longer than scrapes are apart: one connection then carries them all, also while its sidecar takes no new ones. */
const idleMs = 120_000;

/** Opens connections to the inbound port of one sidecar, as the control plane, and believes it only as what it should be. */
class SidecarAgent extends Agent {
  readonly #address: Address;
  readonly #spiffeId: string;
  readonly context: SecureContext;

  constructor(address: Address, spiffeId: string, context: SecureContext) {
    super({ keepAlive: true, maxSockets: 4, maxFreeSockets: 1, timeout: idleMs });
    this.#address = address;
    this.#spiffeId = spiffeId;
    this.context = context;
  }

  /** Gives the connection once it has proved who it is; nothing is sent before. */
  override createConnection(_: object, done: (error: Error | null, socket?: Duplex) => void): undefined {
    const socket = connect({
      ...this.#address,
      secureContext: this.context,
      ALPNProtocols: [PROTOCOL],
      rejectUnauthorized: true,
      // The name to check is the SPIFFE ID, below; host names mean nothing here.
      checkServerIdentity: () => undefined,
    });
    const fail = (error: Error): void => {
      socket.destroy();
      done(error);
    };
    const late = (): void => fail(new Error(`no connection within ${connectMs / 1000} s`));
    const closed = (): void => fail(new Error('it closed the connection'));
    socket.setTimeout(connectMs, late);
    socket.once('error', fail).once('close', closed);
    socket.once('secureConnect', () => {
      socket.off('error', fail).off('close', closed).off('timeout', late).setTimeout(0);
      const cert = socket.getPeerX509Certificate();
      const proof = cert === undefined ? { reason: 'no-certificate' } : readSvid(cert.raw);
      if ('reason' in proof) fail(new Error(`its certificate is not believed: ${proof.reason}`));
      else if (proof.spiffeId !== this.#spiffeId) fail(new Error(`it is ${proof.spiffeId}, not ${this.#spiffeId}`));
      else if (socket.alpnProtocol !== PROTOCOL) fail(new Error('it has no admin pages for a control plane'));
      else done(null, socket);
    });
  }

  /** Closes what rests now, and what is under way as soon as it rests. */
  retire(): void {
    this.maxFreeSockets = 0;
    for (const resting of Object.values(this.freeSockets)) for (const socket of resting ?? []) socket.destroy();
  }
}

/** The connections to sidecars. */
export interface SidecarAgents {
  of(address: Address, spiffeId: string): Agent;
  close(): void;
}

/** As many sidecars keep a connection. */
const maxAgents = 2000;

/** `context`: what the control plane proves itself with now, and whom it trusts. */
export function sidecarAgents(context: () => SecureContext): SidecarAgents {
  /** Those asked last stand last. */
  const agents = new Map<string, SidecarAgent>();
  return {
    of(address, spiffeId) {
      const key = JSON.stringify([address, spiffeId]);
      const now = context();
      let agent = agents.get(key);
      agents.delete(key);
      if (agent?.context !== now) {
        // With each new certificate new connections, so that none outlives for long what was checked when it was opened.
        agent?.retire();
        agent = new SidecarAgent(address, spiffeId, now);
      }
      agents.set(key, agent);
      const [oldest] = agents;
      if (agents.size > maxAgents && oldest !== undefined) {
        oldest[1].retire();
        agents.delete(oldest[0]);
      }
      return agent;
    },
    close() {
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
}
