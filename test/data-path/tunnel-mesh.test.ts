// Tunnels over a hop of the mesh, where each is a stream of HTTP/2 (RFC 8441): what holds on one connection holds there.
import { manualClock } from '../../lib/clock.ts';
import { type RawClient, requestText } from '../harness/client.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { type RawOrigin, type RawPeer, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar, type TestSidecarOptions } from '../harness/sidecar.ts';
import {
  accepting,
  acceptText,
  acceptTo,
  askText,
  echo,
  ended,
  goOver,
  heard,
  takeHead,
  websocketAccept,
  websocketKey,
} from '../harness/tunnel.ts';
import { still, until } from '../harness/until.ts';

let identities: Identities;
beforeAll(async () => {
  identities = await makeIdentities();
});

const MB = 1024 * 1024;

interface Hop extends AsyncDisposable {
  readonly origin: RawOrigin;
  readonly callee: TestSidecar;
  readonly caller: TestSidecar;
  readonly client: RawClient;
}

/** A service that does what the script says, its sidecar, the sidecar of a caller, and the caller. */
async function hop(script: (peer: RawPeer) => void | Promise<void>, options: TestSidecarOptions = {}): Promise<Hop> {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await rawOrigin(script));
  const credentials = await identities.live('web');
  const callee = stack.use(
    await startTestSidecar({ name: 'web', app: origin.address, mtls: 'strict', credentials, ...options }),
  );
  const services = { web: [{ at: callee.inbound, identity: identities.id('web') }] };
  const caller = stack.use(
    await startTestSidecar({ services, credentials: await identities.live('shop'), upgrades: ['websocket', 'echo'] }),
  );
  const client = stack.use(await caller.client());
  const owned = stack.move();
  return { origin, callee, caller, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function ends({ callee, caller }: Hop, expected: Readonly<Record<string, unknown>>): Promise<void> {
  await until('both have ended', () => callee.records.length === 1 && caller.records.length === 1);
  for (const { records } of [callee, caller]) expect(records[0]).toMatchObject(expected);
}

test('the key ends at the first sidecar; the last one asks with its own and checks the answer', async () => {
  let head = '';
  await using mesh = await hop(async (peer) => {
    head = await peer.head();
    peer.write(acceptTo(head, 'Sec-WebSocket-Protocol: chat'));
  });
  await mesh.client.send(askText('/chat?room=1', 'Sec-WebSocket-Protocol: chat, v2'));
  expect((await takeHead(mesh.client)).toLowerCase().split('\r\n')).toEqual([
    'http/1.1 101 switching protocols',
    'sec-websocket-protocol: chat',
    'connection: upgrade',
    'upgrade: websocket',
    `sec-websocket-accept: ${websocketAccept.toLowerCase()}`,
    '',
    '',
  ]);
  expect(head).toMatch(/^GET \/chat\?room=1 HTTP\/1\.1\r\n/);
  expect(head).toMatch(/\r\nsec-websocket-protocol: chat, v2\r\n/i);
  expect(head).toMatch(/\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: \S{24}\r\n/);
  expect(head).not.toContain(websocketKey);
});

test('a wrong answer to the key of the last sidecar is told to the caller', async () => {
  await using mesh = await hop(async (peer) => {
    await peer.head();
    peer.write(acceptText());
  });
  await mesh.client.send(askText());
  const answer = await mesh.client.response();
  expect([answer.status, answer.get('weft-error'), answer.get('connection')]).toEqual([
    502,
    'UPSTREAM_INVALID',
    'close',
  ]);
});

test('any octets go both ways at once, and each way ends by itself', async () => {
  await using mesh = await hop(accepting(echo));
  await goOver(mesh.client);
  const octets = Buffer.from(Array.from({ length: 3 * MB }, (_, i) => (i * 7 + (i >> 8)) & 255));
  await mesh.client.send(octets);
  mesh.client.half();
  await mesh.client.over();
  expect(Buffer.from(mesh.client.octets.text, 'latin1').equals(octets)).toBe(true);
  await ends(mesh, { status: 101, code: '', requestBytes: octets.length, responseBytes: octets.length, attempts: 1 });
});

test('a service that ends first still hears its caller to the end', async () => {
  await using mesh = await hop(
    accepting(async (peer) => {
      peer.socket.end('x'.repeat(MB));
      await ended(peer);
      expect(peer.octets.text).toBe('y'.repeat(2 * MB));
    }),
  );
  await goOver(mesh.client);
  await mesh.client.over();
  expect(mesh.client.octets.text).toBe('x'.repeat(MB));
  expect([mesh.caller.underWay, mesh.callee.underWay]).toEqual([1, 1]);
  await mesh.client.send('y'.repeat(2 * MB));
  mesh.client.half();
  await ends(mesh, { status: 101, code: '', requestBytes: 2 * MB, responseBytes: MB });
});

test('octets that come early are held until the service has agreed, and dropped where it has not', async () => {
  const { promise: go, resolve } = Promise.withResolvers<void>();
  await using mesh = await hop(async (peer) => {
    const head = await peer.head();
    if (peer.number > 1) return peer.write('HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno');
    await go;
    expect(peer.octets.text).toBe('');
    peer.write(acceptTo(head));
  });
  const smuggled = requestText({ target: '/smuggled' });
  await mesh.client.send(askText() + smuggled);
  await until('the service has the request', () => mesh.origin.peers.length === 1);
  await using second = await mesh.caller.client();
  await second.send(askText('/second') + smuggled);
  const refused = await second.response();
  expect([refused.status, refused.body, refused.get('connection')]).toEqual([403, 'no', 'close']);
  await second.over();
  resolve();
  await takeHead(mesh.client);
  await heard(mesh.origin.peers[0]!, smuggled);
  expect(mesh.origin.peers.slice(1).map(({ octets }) => octets.text)).toEqual(['']);
  expect(mesh.callee.records.map(({ path, status }) => [path, status])).toEqual([['/second', 403]]);
});

test.each(['client', 'service'] as const)('what the %s breaks off is broken off at the other end', async (who) => {
  await using mesh = await hop(accepting());
  await goOver(mesh.client);
  const [peer] = mesh.origin.peers;
  if (who === 'client') mesh.client.reset();
  else peer!.socket.resetAndDestroy();
  const { octets } = who === 'client' ? peer! : mesh.client;
  await until('the other end sees it', () => octets.closed);
  expect(octets.error).toBe('ECONNRESET');
  await ends(mesh, { status: 101, code: who === 'client' ? 'DOWNSTREAM_GONE' : 'UPSTREAM_RESET' });
});

test('each sidecar has a list of its own', async () => {
  await using mesh = await hop(() => {}, { upgrades: ['websocket'] });
  await mesh.client.send('GET / HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly');
  const answer = await mesh.client.response();
  expect([answer.status, answer.get('weft-error'), answer.get('connection')]).toEqual([
    501,
    'METHOD_NOT_SUPPORTED',
    'close',
  ]);
  expect(mesh.origin.peers).toHaveLength(0);
});

test('plain requests share the connection with tunnels, and neither holds up the other', async () => {
  await using mesh = await hop(async (peer) => {
    for (;;) {
      const head = await peer.head();
      if (head.includes('upgrade: websocket')) return peer.write(acceptTo(head));
      peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    }
  });
  await goOver(mesh.client);
  mesh.client.socket.pause();
  const [peer] = mesh.origin.peers;
  for (let i = 0; i < 256; i++) peer!.socket.write(Buffer.alloc(0x10000, 'x'));
  let taken = 0;
  peer!.socket.write('', () => (taken = 1));
  for (let i = 0; i < 5; i++) expect((await mesh.caller.send()).body).toBe('ok');
  expect(await still(() => taken)).toBe(0);
  let read = 0;
  mesh.client.socket.removeAllListeners('data').on('data', (text: string) => (read += text.length));
  mesh.client.socket.resume();
  await until('all of it is there', () => read === 256 * 0x10000);
});

test.each(['client', 'service'] as const)('a silent tunnel ends after a minute when the %s has ended', async (who) => {
  const clock = manualClock();
  await using mesh = await hop(accepting(), { clock });
  await goOver(mesh.client);
  const [peer] = mesh.origin.peers;
  if (who === 'client') mesh.client.half();
  else peer!.socket.end();
  await ended(who === 'client' ? peer! : mesh.client);
  clock.advance(60_001);
  await until('it has ended', () => mesh.callee.records.length === 1);
  expect(mesh.callee.records[0]).toMatchObject({ status: 101, code: 'STREAM_IDLE' });
  await until('the other sidecar hears of it', () => mesh.caller.records.length === 1);
});
