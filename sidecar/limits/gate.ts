import type { Server, Socket } from 'node:net';
import type { Log } from '../../lib/log.ts';
import type { ListenerContext } from '../http/context.ts';
import type { ConnectionStats } from '../telemetry/telemetry.ts';
import type { Files } from './files.ts';
import { REFUSING } from './overload.ts';
import { Seldom } from './seldom.ts';

/** Why a connection was closed as soon as it had come. `accept`: the system could not even hand it over. */
type GateReason = 'limit' | 'address' | 'files' | 'overload' | 'accept';

/** Lets connections of one listener in as long as there is room, before anything that they say is read. Knows all of them. */
export class Gate {
  readonly sockets = new Set<Socket>();
  readonly #context: ListenerContext;
  readonly #files: Files;
  readonly #stats: ConnectionStats;
  readonly #log: Seldom;
  readonly #byAddress = new Map<string, number>();
  readonly #whenEmpty: (() => void)[] = [];

  constructor(context: ListenerContext, files: Files, stats: ConnectionStats, log: Log) {
    this.#context = context;
    this.#files = files;
    this.#stats = stats;
    this.#log = new Seldom(context.loop.clock, (fields) => log.warn('connections refused', fields));
  }

  /** Hands the sockets that may come in to `enter`. */
  watch(server: Server, enter: (socket: Socket) => void): void {
    server.maxConnections = this.#context.limits.connections;
    server.on('drop', (dropped) => this.#refuse('limit', dropped?.remoteAddress));
    server.on('connection', (socket) => {
      if (this.#admit(socket)) enter(socket);
    });
  }

  /** Whoever was to come in is gone; the listener goes on. */
  acceptFailed(error: Error): void {
    this.#refuse('accept', undefined, error.message);
  }

  /** Resolves when nobody who was let in is there any more, those in the middle of a handshake included. */
  empty(): Promise<void> {
    return this.sockets.size === 0 ? Promise.resolve() : new Promise((done) => this.#whenEmpty.push(done));
  }

  #admit(socket: Socket): boolean {
    const address = this.#context.direction === 'inbound' ? (socket.remoteAddress ?? '') : '';
    const counted = address !== '' && !isLoopback(address);
    const ofAddress = counted ? (this.#byAddress.get(address) ?? 0) : 0;
    const reason = this.#refusal(ofAddress);
    if (reason !== undefined) {
      this.#refuse(reason, socket.remoteAddress);
      socket.destroy();
      return false;
    }
    this.#files.count(socket);
    this.sockets.add(socket);
    if (counted) this.#byAddress.set(address, ofAddress + 1);
    socket.on('close', () => {
      this.sockets.delete(socket);
      if (this.sockets.size === 0) for (const done of this.#whenEmpty.splice(0)) done();
      if (counted) this.#leave(address);
    });
    return true;
  }

  #refusal(ofAddress: number): GateReason | undefined {
    const { limits, overload } = this.#context;
    if (overload.level >= REFUSING) return 'overload';
    if (!this.#files.roomForCaller) return 'files';
    return ofAddress >= limits.connectionsPerAddress ? 'address' : undefined;
  }

  #leave(address: string): void {
    const left = this.#byAddress.get(address)! - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }

  #refuse(reason: GateReason, address: string | undefined, error?: string): void {
    this.#stats.refused(reason);
    this.#log.happened({ reason, address, error });
  }
}

const isLoopback = (address: string): boolean => /^(?:::ffff:)?127\.|^::1$/.test(address);
