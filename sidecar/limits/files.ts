import type { Socket } from 'node:net';
import type { Limits } from './limits.ts';

/**
 * The files that connections of a thread have open, in both directions. Some are kept for others than callers, so that
 * what they ask for can be done; and some for neither, so that the admin port answers when all others are gone.
 */
export class Files {
  readonly #forCallers: number;
  readonly #inAll: number;
  #open = 0;

  constructor({ filesForCallers, files }: Limits) {
    this.#forCallers = filesForCallers;
    this.#inAll = files;
  }

  get roomForCaller(): boolean {
    return this.#open < this.#forCallers;
  }

  get roomForUpstream(): boolean {
    return this.#open < this.#inAll;
  }

  /** Counts it until it is closed. */
  count(socket: Socket): void {
    this.#open++;
    socket.once('close', () => {
      this.#open--;
    });
  }
}
