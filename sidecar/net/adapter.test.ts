import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { abruptly } from './adapter.ts';

/** Both ends of one connection. */
async function ends(): Promise<{ near: Socket; far: Socket; close: () => void }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [far] = (await once(server, 'connection')) as [Socket];
  return { near, far, close: () => server.close() };
}

const endOf = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let how = 'end';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      how = error.code ?? error.message;
    });
    socket.on('close', () => resolve(how));
    socket.on('end', () => socket.end());
    socket.resume();
  });

test('a connection that is closed abruptly ends with a reset, and its socket is closed', async () => {
  const { near, far, close } = await ends();
  const seen = endOf(far);
  const closed = once(near, 'close');
  expect(abruptly(near)).toBe(true);
  await closed;
  expect(await seen).toBe('ECONNRESET');
  close();
});

test('one that is sending its end just now is left to whoever closes it in another way', async () => {
  const { near, far, close } = await ends();
  const seen = endOf(far);
  near.end();
  expect(abruptly(near)).toBe(false);
  const closed = once(near, 'close');
  near.destroy();
  await closed;
  expect(await seen).toBe('end');
  close();
});
