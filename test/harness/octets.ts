import type { Socket } from 'node:net';

/** Everything that a socket has sent so far, as Latin-1 text, with a way to wait for more. */
export interface Octets {
  readonly text: string;
  /** The other end has said that no more will come. */
  readonly ended: boolean;
  /** The connection is gone, in whatever way. */
  readonly closed: boolean;
  /** Code of the error that it broke with, such as ECONNRESET. */
  readonly error: string | undefined;
  /** Gives what `find` finds, as soon as it finds something. Rejects when the connection is over before. */
  until<T>(what: string, find: (text: string, over: boolean) => T | undefined): Promise<T>;
  /** Forgets the first `length` octets. */
  drop(length: number): void;
}

/** Collects what comes over a socket. The socket is the caller's. */
export function octetsOf(socket: Socket): Octets {
  let text = '';
  let ended = false;
  let closed = false;
  let error: string | undefined;
  const watchers = new Set<() => void>();
  const tell = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
    tell();
  });
  socket.on('end', () => {
    ended = true;
    tell();
  });
  socket.on('error', (thrown: NodeJS.ErrnoException) => {
    error = thrown.code ?? thrown.message;
  });
  socket.on('close', () => {
    closed = true;
    tell();
  });
  return {
    get text() {
      return text;
    },
    get ended() {
      return ended;
    },
    get closed() {
      return closed;
    },
    get error() {
      return error;
    },
    until: (what, find) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const over = ended || closed;
          const found = find(text, over);
          if (found === undefined && !over) return;
          watchers.delete(look);
          if (found !== undefined) resolve(found);
          else
            reject(
              new Error(`the connection was over before ${what}; it had sent ${JSON.stringify(text.slice(-500))}`),
            );
        };
        watchers.add(look);
        look();
      }),
    drop(length) {
      text = text.slice(length);
    },
  };
}
