import type { Server, Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { ConnectionStats } from '../telemetry/telemetry.ts';
import type { Limits } from './limits.ts';
import { type Overload, REFUSING } from './overload.ts';

/** How many files connections of callers have open, of all listeners of a thread together. */
export interface FilesUsed {
  count: number;
}

/** Why a connection was closed as soon as it had come. `accept`: the system could not even hand it over. */
type GateReason = 'limit' | 'address' | 'files' | 'overload' | 'accept';

/** How often the log says so, in ms. */
const LOG_MS = 1000;

/** Lets connections of one listener in as long as there is room, before anything that they say is read. Knows all of them. */
export class Gate {
  readonly sockets = new Set<Socket>();
  readonly #limits: Limits;
  readonly #perAddress: boolean;
  readonly #files: FilesUsed;
  readonly #overload: Overload;
  readonly #stats: ConnectionStats;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #byAddress = new Map<string, number>();
  #refused = 0;
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly limits: Limits;
    /** Whether there is a limit for each IP address. */
    readonly perAddress: boolean;
    readonly files: FilesUsed;
    readonly overload: Overload;
    readonly stats: ConnectionStats;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#limits = options.limits;
    this.#perAddress = options.perAddress;
    this.#files = options.files;
    this.#overload = options.overload;
    this.#stats = options.stats;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Hands the sockets that may come in to `enter`. */
  watch(server: Server, enter: (socket: Socket) => void): void {
    server.maxConnections = this.#limits.connections;
    server.on('drop', (dropped) => this.#refuse('limit', dropped?.remoteAddress));
    server.on('connection', (socket) => {
      if (this.#admit(socket)) enter(socket);
    });
  }

  /** The listener goes on; whoever was to come in is gone. */
  acceptFailed(error: Error): void {
    this.#refuse('accept', undefined, error.message);
  }

  #admit(socket: Socket): boolean {
    const address = this.#perAddress ? (socket.remoteAddress ?? '') : '';
    const counted = address !== '' && !isLoopback(address);
    const ofAddress = counted ? (this.#byAddress.get(address) ?? 0) : 0;
    const reason = this.#refusal(ofAddress);
    if (reason !== undefined) {
      this.#refuse(reason, socket.remoteAddress);
      socket.destroy();
      return false;
    }
    this.#files.count++;
    this.sockets.add(socket);
    if (counted) this.#byAddress.set(address, ofAddress + 1);
    socket.on('close', () => {
      this.#files.count--;
      this.sockets.delete(socket);
      if (counted) this.#leave(address);
    });
    return true;
  }

  #refusal(ofAddress: number): GateReason | undefined {
    if (this.#overload.level >= REFUSING) return 'overload';
    if (this.#files.count >= this.#limits.files) return 'files';
    return ofAddress >= this.#limits.connectionsPerAddress ? 'address' : undefined;
  }

  #leave(address: string): void {
    const left = this.#byAddress.get(address)! - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }

  #refuse(reason: GateReason, address: string | undefined, error?: string): void {
    this.#stats.refused(reason);
    this.#refused++;
    const nowMs = this.#clock.now();
    if (nowMs - this.#saidMs < LOG_MS) return;
    this.#saidMs = nowMs;
    this.#log.warn('connections refused', { count: this.#refused, reason, address, error });
    this.#refused = 0;
  }
}

const isLoopback = (address: string): boolean => /^(?:::ffff:)?127\.|^::1$/.test(address);
