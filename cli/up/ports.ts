import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** Whether a port of loopback can be listened at now; 0 can always. */
export const isFree = async (port: number): Promise<boolean> => (await take(port)) !== undefined;

/** A port of loopback that nobody listens at. */
export async function freePort(): Promise<number> {
  const port = await take(0);
  if (port === undefined) throw new Error('no port is free on 127.0.0.1');
  return port;
}

async function take(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' || code === 'EACCES') return undefined;
    throw error;
  }
  const { port: taken } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return taken;
}
