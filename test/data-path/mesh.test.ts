import { Live } from '../../lib/live.ts';
import type { Credentials } from '../../sidecar/tls/credentials.ts';
import { rawClient, requestText, send } from '../harness/client.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
let stranger: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
  stranger = await makeIdentities();
});

const pair = async (
  app: Awaited<ReturnType<typeof http1Origin>>['address'],
  mtls: 'strict' | 'permissive' = 'strict',
) => {
  const callee = await startTestSidecar({ name: 'web', app, mtls, credentials: await mesh.live('web') });
  const endpoint = { at: callee.inbound, identity: mesh.id('web') };
  const caller = await startTestSidecar({
    services: { web: [endpoint] },
    credentials: await mesh.live('shop'),
  });
  return { callee, caller, endpoint };
};

test('over a hop of the mesh the app learns who called, from the certificate and from nothing else', async () => {
  await using origin = await http1Origin((req, res, seen) => {
    req.on('end', () => res.end(seen.body.toUpperCase()));
  });
  const { callee, caller } = await pair(origin.address);
  await using _ = callee;
  await using __ = caller;
  const answer = await caller.send({
    method: 'POST',
    body: 'x'.repeat(300_000),
    fields: [
      'x-forwarded-client-cert: URI=spiffe://weft.test/ns/default/sa/admin',
      'x-forwarded-for: 1.1.1.1',
      'x-forwarded-for: 2.2.2.2',
    ],
  });
  expect(answer.body).toBe('X'.repeat(300_000));
  const [seen] = origin.requests;
  expect(seen!.all('x-forwarded-client-cert')).toEqual([`By=${mesh.id('web')};URI=${mesh.id('shop')}`]);
  expect(seen!.all('x-forwarded-for')).toEqual(['1.1.1.1, 2.2.2.2, 127.0.0.1']);
  expect(callee.records[0]).toMatchObject({ peer: mesh.id('shop'), status: 200 });
  expect(caller.records[0]).toMatchObject({ peer: mesh.id('web'), status: 200 });
  expect(callee.records[0]!.traceId).toBe(caller.records[0]!.traceId);
  expect(callee.records[0]!.parentSpanId).toBe(caller.records[0]!.spanId);
});

test('a response of known length that came over the hop is one of HTTP/1.1 again, octet by octet', async () => {
  await using origin = await http1Origin('hello');
  const { callee, caller } = await pair(origin.address);
  await using _ = callee;
  await using __ = caller;
  await using client = await caller.client();
  for (let i = 0; i < 3; i++) {
    await client.send(requestText());
    const { status, body, get } = await client.response();
    expect([status, get('content-length'), body]).toEqual([200, '5', 'hello']);
  }
});

test('what the sidecar of the service says itself reaches the caller with its code', async () => {
  const { callee, caller } = await pair({ host: '127.0.0.1', port: 1 });
  await using _ = callee;
  await using __ = caller;
  const answer = await caller.send({ method: 'POST', body: 'x' });
  expect([answer.status, answer.get('weft-error')]).toEqual([503, 'UPSTREAM_CONNECT']);
  expect(caller.records[0]!.code).toBe('UPSTREAM_CONNECT');
});

test('an endpoint that proves to be another service, or one of another mesh, gets nothing', async () => {
  await using origin = await http1Origin('hello');
  for (const [who, identity] of [
    [mesh, mesh.id('cart')],
    [stranger, stranger.id('web')],
  ] as const) {
    await using callee = await startTestSidecar({
      app: origin.address,
      mtls: 'strict',
      credentials: await who.live('web'),
    });
    await using caller = await startTestSidecar({
      services: { web: [{ at: callee.inbound, identity }] },
      credentials: await mesh.live('shop'),
    });
    const answer = await caller.send();
    expect([answer.status, answer.get('weft-error')]).toEqual([503, 'UPSTREAM_IDENTITY']);
  }
  expect(origin.connections).toBe(0);
});

test('without a certificate of its own a sidecar sends nothing to an endpoint that has an identity', async () => {
  await using origin = await http1Origin('hello');
  await using caller = await startTestSidecar({
    services: { web: [{ at: origin.address, identity: mesh.id('web') }] },
    credentials: new Live<Credentials | undefined>(undefined),
  });
  expect((await caller.send()).get('weft-error')).toBe('UPSTREAM_IDENTITY');
  expect(origin.connections).toBe(0);
});

test('a connect limit of 0s is none at all', async () => {
  await using origin = await http1Origin('hello');
  await using callee = await startTestSidecar({
    app: origin.address,
    mtls: 'strict',
    credentials: await mesh.live('web'),
  });
  await using caller = await startTestSidecar({
    services: { web: [{ at: callee.inbound, identity: mesh.id('web') }] },
    credentials: await mesh.live('shop'),
    yaml: `
apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: p }
spec: { targetRefs: [{ kind: Service, name: web }], connect: 0s }
`,
  });
  expect((await caller.send()).body).toBe('hello');
});

describe('strict', () => {
  test('plain text is closed without a word', async () => {
    await using origin = await http1Origin('hello');
    await using callee = await startTestSidecar({
      app: origin.address,
      mtls: 'strict',
      credentials: await mesh.live('web'),
    });
    await using client = await rawClient(callee.inbound);
    await client.send('GET / HTTP/1.1\r\nHost: web\r\n\r\n');
    await client.over();
    expect(client.octets.text).not.toContain('HTTP');
    expect(origin.connections).toBe(0);
  });

  test.each([
    ['no certificate', () => Promise.resolve({ rejectUnauthorized: false })],
    ['a certificate of another mesh', async () => ({ ...(await stranger.client('shop')), rejectUnauthorized: false })],
  ])('a caller with %s gets no HTTP answer', async (_, options) => {
    await using origin = await http1Origin('hello');
    await using callee = await startTestSidecar({
      app: origin.address,
      mtls: 'strict',
      credentials: await mesh.live('web'),
    });
    // With TLS 1.3 the handshake is over for the caller before it is refused: what it sends at once must not count.
    const client = await rawClient(callee.inbound, await options()).catch(() => undefined);
    await client?.send('GET / HTTP/1.1\r\nHost: web\r\n\r\n').catch(() => undefined);
    await client?.over();
    expect(client?.octets.text ?? '').toBe('');
    await client?.[Symbol.asyncDispose]();
    expect(origin.connections).toBe(0);
    await until('it is in the log', () => callee.log.some((line) => line.includes('handshake')));
  });

  test('nobody comes in before there is a certificate, and all do once there is one', async () => {
    await using origin = await http1Origin('hello');
    const live = new Live<Credentials | undefined>(undefined);
    await using callee = await startTestSidecar({ app: origin.address, mtls: 'strict', credentials: live });
    const options = await mesh.client('shop');
    await expect(rawClient(callee.inbound, options)).rejects.toThrow();
    live.set((await mesh.live('web')).current);
    await using client = await rawClient(callee.inbound, options);
    await client.send(requestText());
    expect((await client.response()).body).toBe('hello');
  });

  test('is not to be had without credentials', async () => {
    await expect(startTestSidecar({ mtls: 'strict' })).rejects.toThrow(/credentials/);
  });
});

describe('permissive', () => {
  test('TLS and plain text come in on one port; plain text as nobody in particular', async () => {
    await using origin = await http1Origin(
      (req, res) => void res.end(req.headers['x-forwarded-client-cert'] ?? 'nobody'),
    );
    const { callee, caller } = await pair(origin.address, 'permissive');
    await using _ = callee;
    await using __ = caller;
    expect((await caller.send()).body).toBe(`By=${mesh.id('web')};URI=${mesh.id('shop')}`);
    const spoofed = { fields: [`x-forwarded-client-cert: URI=${mesh.id('admin')}`] };
    expect((await send(callee.inbound, spoofed)).body).toBe('nobody');
    // Head and body in one segment with the first octet, and octet by octet.
    expect((await send(callee.inbound, { method: 'POST', body: 'x'.repeat(200_000) })).body).toBe('nobody');
    await using client = await rawClient(callee.inbound);
    for (const octet of requestText()) await client.send(octet);
    expect((await client.response()).body).toBe('nobody');
    await client.send(requestText());
    expect((await client.response()).body).toBe('nobody');
    expect(callee.records.map(({ peer }) => peer)).toEqual([mesh.id('shop'), '', '', '', '']);
  });

  test('a caller of another mesh is nobody in TLS either: it is refused', async () => {
    await using origin = await http1Origin('hello');
    await using callee = await startTestSidecar({
      app: origin.address,
      mtls: 'permissive',
      credentials: await mesh.live('web'),
    });
    const options = { ...(await stranger.client('shop')), rejectUnauthorized: false };
    const client = await rawClient(callee.inbound, options).catch(() => undefined);
    await client?.send(requestText()).catch(() => undefined);
    await client?.over();
    await client?.[Symbol.asyncDispose]();
    expect(origin.connections).toBe(0);
  });
});

test('a body cut off on the far side of the mesh is cut off for the caller', async () => {
  await using origin = await rawOrigin(async (peer) => {
    await peer.head();
    peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
    await new Promise((resolve) => setTimeout(resolve, 20));
    peer.socket.resetAndDestroy();
  });
  const { callee, caller } = await pair(origin.address);
  await using _ = callee;
  await using __ = caller;
  expect(await caller.send()).toMatchObject({ status: 200, body: 'half', complete: false });
});
