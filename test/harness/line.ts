import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Line {
  /** `host:port` of the near end. */
  readonly address: string;
  /** What becomes of the next transaction of Consul's: its request never arrives, or its answer never comes back. */
  cut: 'request' | 'answer' | undefined;
  /** How long what is sent from now on is under way, ms, each way; asked once for all that arrives at once. */
  delayMs: () => number;
  /** How many requests have begun with each method and path, without what follows a question mark. */
  readonly requests: ReadonlyMap<string, number>;
  /** How many connections have been made. */
  connections: number;
  /** Ends the connections that are open, and all new ones at once, until `up`. */
  down(): void;
  up(): void;
  close(): Promise<void>;
}

/** A TCP line to `target`, a `host:port` that speaks HTTP/1.1. It can be cut and be slow. */
export async function startLine(target: string): Promise<Line> {
  const [host, port] = target.split(':');
  const sockets = new Set<Socket>();
  let isDown = false;
  const requests = new Map<string, number>();
  const server = createServer((near) => {
    if (isDown) return void near.destroy();
    line.connections += 1;
    const far = connect(Number(port), host);
    let cutting = false;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    const [there, back] = [carrier(far, line), carrier(near, line)];
    near.on('data', (chunk: Buffer) => {
      const asked = /^([A-Z]+ [^ ?]+)/.exec(chunk.toString('latin1', 0, 2048))?.[1];
      if (asked !== undefined) requests.set(asked, (requests.get(asked) ?? 0) + 1);
      if (line.cut !== undefined && asked === 'PUT /v1/txn') {
        const request = line.cut === 'request';
        line.cut = undefined;
        if (request) return near.destroy();
        cutting = true;
      }
      there(chunk);
    });
    far.on('data', (chunk: Buffer) => (cutting ? near.destroy() : back(chunk)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const line: Line = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: undefined,
    delayMs: () => 0,
    requests,
    connections: 0,
    down() {
      isDown = true;
      for (const socket of sockets) socket.destroy();
    },
    up() {
      isDown = false;
    },
    async close() {
      line.down();
      server.close();
      await once(server, 'close');
    },
  };
  return line;
}

/** Brings what it is given to `socket`: late, and in order. */
function carrier(socket: Socket, line: Pick<Line, 'delayMs'>): (chunk: Buffer) => void {
  const late: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
  const deliver = (): void => {
    for (let next = late[0]; next !== undefined; next = late[0]) {
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) return void setTimeout(deliver, waitMs);
      socket.write(next.chunk);
      late.shift();
    }
  };
  return (chunk) => {
    const delayMs = line.delayMs();
    if (late.length === 0 && delayMs === 0) return void socket.write(chunk);
    late.push({ chunk, dueMs: performance.now() + delayMs });
    if (late.length === 1) deliver();
  };
}
