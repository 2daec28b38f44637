import { type ErrorCode, messageOf } from '../../lib/errors.ts';
import type { Loop } from '../net/loop.ts';
import type { WireOwner } from '../net/wire.ts';
import type { Destination } from '../snapshot/snapshot.ts';
import { beginRecord, newRecord } from '../telemetry/record.ts';
import type { ExchangeRecord, TcpEdge } from '../telemetry/telemetry.ts';
import type { Connect, Connected } from '../upstream/connect.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { type Moved, type OpenWire, Pipe } from './pipe.ts';
import type { Caller, TcpServed } from './server.ts';

/** For one try, TLS handshake included. */
const CONNECT_MS = 2000;
/** How often endpoints are looked for while the first of a service may still be on their way. */
const PICK_AGAIN_MS = 50;

/** How connections are led on. */
export interface Way {
  readonly direction: 'inbound' | 'outbound';
  readonly loop: Loop;
  readonly connect: Connect;
  readonly idleMs: number;
  /** How many endpoints are tried while none has taken the connection. */
  readonly tries: number;
}

/** Why a connection goes nowhere. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** Where a connection goes; asked when it begins. */
export type Lead = () => Destination | Refusal;

/**
 * One TCP connection, from accepting it to the end of its pipe. Endpoints that do not take it are passed over: nothing
 * has been said to them. Afterwards it is bound to its endpoint for good.
 */
export class TcpConnection implements TcpServed, Moved {
  readonly #way: Way;
  readonly #edge: TcpEdge;
  readonly #lead: Lead;
  readonly #gone: () => void;
  readonly #record: ExchangeRecord;
  readonly #pipe: Pipe;
  #destination: Destination | undefined;
  readonly #tried: Endpoint[] = [];
  #endpoint: Endpoint | undefined;
  #connected: Connected | undefined;
  #cancelWait: (() => void) | undefined;

  constructor(
    open: OpenWire,
    from: { readonly way: Way; readonly caller: Caller; readonly edge: TcpEdge; readonly lead: Lead },
    gone: () => void,
  ) {
    this.#way = from.way;
    this.#edge = from.edge;
    this.#lead = from.lead;
    this.#gone = gone;
    this.#record = recordOf(from.caller, from.way.loop);
    this.#edge.opened();
    this.#pipe = new Pipe(open, from.way.loop, from.way.idleMs, this, (code) => this.#over(code));
  }

  /** Who hears of the caller's wire. */
  get owner(): WireOwner {
    return this.#pipe.owner;
  }

  begin(): void {
    const to = this.#lead();
    if ('code' in to) {
      this.#fail(to.code, to.detail);
      return;
    }
    this.#destination = to;
    this.#try();
  }

  /** Nothing can be told to either side; it goes on until the time to drain is up. */
  drain(): void {}

  destroy(): void {
    this.#fail('DRAINING', 'this sidecar is shutting down');
  }

  toService(octets: number): void {
    this.#record.requestBytes += octets;
    this.#edge.toService(octets);
  }

  toCaller(octets: number): void {
    const record = this.#record;
    if (record.responseBytes === 0) record.firstByteMs = this.#way.loop.nowMs - record.startMs;
    record.responseBytes += octets;
    this.#edge.toCaller(octets);
  }

  #fail(code: ErrorCode, detail: string): void {
    this.#record.detail = detail;
    this.#pipe.close(code);
  }

  #try(): void {
    const { service, endpoints, graceUntilMs, picker } = this.#destination!;
    const endpoint = picker.pick(undefined, this.#tried) as Endpoint | undefined;
    if (endpoint === undefined) {
      if (endpoints.length === 0 && this.#way.loop.nowMs < graceUntilMs) this.#tryLater();
      else this.#fail('NO_ENDPOINT', `${service} has ${endpoints.length} endpoints`);
      return;
    }
    endpoint.active++;
    this.#endpoint = endpoint;
    this.#record.attempts++;
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
    if (this.#way.direction === 'outbound') this.#record.peer = connected.peer;
    this.#pipe.join(connected.socket);
  }

  #refused(endpoint: Endpoint, thrown: unknown): void {
    if (this.#pipe.over) return;
    this.#leaveEndpoint();
    this.#tried.push(endpoint);
    if (this.#tried.length < this.#way.tries) this.#try();
    else this.#fail((thrown as { code?: ErrorCode }).code ?? 'UPSTREAM_CONNECT', messageOf(thrown));
  }

  #leaveEndpoint(): void {
    if (this.#endpoint === undefined) return;
    this.#endpoint.active--;
    this.#record.upstream = this.#endpoint.label;
    this.#endpoint = undefined;
  }

  #over(code: ErrorCode | ''): void {
    this.#cancelWait?.();
    this.#leaveEndpoint();
    this.#connected?.stats.closed();
    end(this.#record, code, this.#edge, this.#way.loop);
    this.#gone();
  }
}

/** Accounts for a connection that is refused before anything of it is read. */
export function refuse(caller: Caller, { code, detail }: Refusal, edge: TcpEdge, loop: Loop): void {
  const record = recordOf(caller, loop);
  record.detail = detail;
  edge.opened();
  end(record, code, edge, loop);
}

function recordOf(caller: Caller, { nowMs }: Loop): ExchangeRecord {
  const record = newRecord();
  beginRecord(record, caller, nowMs);
  record.protocol = 'TCP';
  return record;
}

function end(record: ExchangeRecord, code: ErrorCode | '', edge: TcpEdge, { nowMs }: Loop): void {
  record.code = code;
  record.durationMs = nowMs - record.startMs;
  edge.closed(record);
}
