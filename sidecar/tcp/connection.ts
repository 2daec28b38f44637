import { type ErrorCode, messageOf } from '../../lib/errors.ts';
import type { Loop } from '../net/loop.ts';
import type { WireOwner } from '../net/wire.ts';
import type { Destination } from '../snapshot/snapshot.ts';
import type { Connect, Connected } from '../upstream/connect.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { type OpenWire, Pipe } from './pipe.ts';

/** For one try, TLS handshake included. */
const CONNECT_MS = 2000;
/** How often endpoints are looked for while the first of a service may still be on their way. */
const PICK_AGAIN_MS = 50;

/** What is told of a connection that is over. */
export interface ConnectionEnd {
  /** '' when both sides had said all that they had to say. */
  readonly code: ErrorCode | '';
  readonly detail: string;
}

/** Where connections go, and who hears of their end. */
export interface Way {
  readonly loop: Loop;
  readonly connect: Connect;
  readonly idleMs: number;
  /** How many endpoints are tried while none has taken the connection. */
  readonly tries: number;
}

/**
 * One TCP connection, from accepting it to the end of its pipe. Endpoints that do not take it are passed over: nothing
 * has been said to them. Afterwards it is bound to its endpoint for good.
 */
export class TcpConnection {
  readonly #way: Way;
  readonly #onOver: (end: ConnectionEnd) => void;
  readonly #pipe: Pipe;
  #destination: Destination | undefined;
  readonly #tried: Endpoint[] = [];
  #endpoint: Endpoint | undefined;
  #connected: Connected | undefined;
  #detail = '';
  #cancelWait: (() => void) | undefined;

  constructor(open: OpenWire, way: Way, onOver: (end: ConnectionEnd) => void) {
    this.#way = way;
    this.#onOver = onOver;
    this.#pipe = new Pipe(open, way.loop, way.idleMs, (code) => this.#over(code));
  }

  /** Who hears of the caller's wire. */
  get owner(): WireOwner {
    return this.#pipe.owner;
  }

  /** Leads it to an endpoint. */
  begin(destination: Destination): void {
    this.#destination = destination;
    this.#try();
  }

  /** Breaks it off, and says why. */
  fail(code: ErrorCode, detail: string): void {
    this.#detail = detail;
    this.#pipe.close(code);
  }

  #try(): void {
    const { service, endpoints, graceUntilMs, picker } = this.#destination!;
    const endpoint = picker.pick(undefined, this.#tried) as Endpoint | undefined;
    if (endpoint === undefined) {
      if (endpoints.length === 0 && this.#way.loop.nowMs < graceUntilMs) this.#tryLater();
      else this.fail('NO_ENDPOINT', `${service} has ${endpoints.length} endpoints`);
      return;
    }
    endpoint.active++;
    this.#endpoint = endpoint;
    const { loop, connect } = this.#way;
    connect(endpoint.spec, CONNECT_MS).then(
      (connected) => loop.turn(() => this.#joined(connected)),
      (thrown: unknown) => loop.turn(() => this.#refused(endpoint, thrown)),
    );
  }

  #tryLater(): void {
    const { loop } = this.#way;
    this.#cancelWait = loop.clock.after(PICK_AGAIN_MS, () => loop.turn(() => this.#try()));
  }

  #joined(connected: Connected): void {
    if (this.#pipe.over) {
      // The caller went away meanwhile.
      connected.socket.destroy();
      return;
    }
    this.#connected = connected;
    connected.stats.opened();
    this.#pipe.join(connected.socket);
  }

  #refused(endpoint: Endpoint, thrown: unknown): void {
    if (this.#pipe.over) return;
    this.#leaveEndpoint();
    this.#tried.push(endpoint);
    if (this.#tried.length < this.#way.tries) this.#try();
    else this.fail((thrown as { code?: ErrorCode }).code ?? 'UPSTREAM_CONNECT', messageOf(thrown));
  }

  #leaveEndpoint(): void {
    if (this.#endpoint !== undefined) this.#endpoint.active--;
    this.#endpoint = undefined;
  }

  #over(code: ErrorCode | ''): void {
    this.#cancelWait?.();
    this.#leaveEndpoint();
    this.#connected?.stats.closed();
    this.#onOver({ code, detail: this.#detail });
  }
}
