import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConsulClient } from './client.ts';

let server: Server;
let client: ConsulClient;
let dir: string;
afterEach(() => {
  client.close();
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true });
});

async function start(answer: RequestListener, token?: string): Promise<void> {
  dir = mkdtempSync(join(tmpdir(), 'weft-consul-client-'));
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tokenFile = join(dir, 'token');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new ConsulClient({ address, ...(token === undefined ? {} : { token, tokenFile }) });
}
const leader = () => client.request((consul, options) => consul.status.leader(options as object));

test('an answer that breaks off is a failure at once, not when the time is over', async () => {
  await start((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
    response.write('"127', () => response.destroy());
  });
  const began = performance.now();
  await expect(leader()).rejects.toMatchObject({ kind: 'unknown', message: expect.stringContaining('broke off') });
  expect(performance.now() - began).toBeLessThan(4000);
});

test('a token that is refused is read again from its file, once for each refusal, and used from then on', async () => {
  const sent: (string | undefined)[] = [];
  await start((request, response) => {
    const token = request.headers['x-consul-token'];
    sent.push(String(token));
    response.writeHead(token === 'new' ? 200 : 403, { 'content-type': 'application/json' }).end('"x"');
  }, 'old');
  const file = join(dir, 'token');
  for (const content of [undefined, '', 'old\n']) {
    if (content !== undefined) writeFileSync(file, content);
    await expect(leader()).rejects.toMatchObject({ status: 403 });
  }
  expect(sent).toEqual(['old', 'old', 'old']);
  writeFileSync(file, 'new\n');
  expect((await Promise.all([leader(), leader()])).map(({ value }) => value)).toEqual(['x', 'x']);
  await leader();
  expect(sent.slice(3)).toEqual(['old', 'old', 'new', 'new', 'new']);
});
