import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Address } from '../../lib/address.ts';

/** Many connections to a sidecar, and what came back on them. */
export class Callers implements Disposable {
  readonly all: Socket[] = [];
  /** Of each answer its error code, or its status where it has none. */
  readonly codes: string[] = [];
  closed = 0;

  /** Resolves when the system has taken them, which says nothing of the sidecar. */
  async open(to: Address, count: number): Promise<void> {
    if ('path' in to) throw new Error('a port is needed');
    const opened = Array.from({ length: count }, () => {
      const socket = connect({ host: to.host, port: to.port });
      this.all.push(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.closed++);
      socket.on('data', (chunk) => this.#read(chunk.toString('latin1')));
      return once(socket, 'connect');
    });
    await Promise.all(opened);
  }

  #read(text: string): void {
    const head = /^HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n/.exec(text);
    if (head !== null) this.codes.push(/weft-error: (\w+)/.exec(head[0])?.[1] ?? head[1]!);
  }

  get live(): readonly Socket[] {
    return this.all.filter((socket) => !socket.destroyed);
  }

  [Symbol.dispose](): void {
    for (const socket of this.all) socket.destroy();
  }
}
