import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Both ends of one TCP connection. */
export interface Ends extends AsyncDisposable {
  /** Accepted, and not read from so far: for a Wire. */
  readonly near: Socket;
  readonly far: Socket;
}

export async function connectedEnds(): Promise<Ends> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const [near] = (await once(server, 'connection')) as [Socket];
  // How it ends is for a test to say, where it matters.
  far.on('error', () => undefined);
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of [near, far]) socket.destroy();
      await closed;
    },
  };
}
