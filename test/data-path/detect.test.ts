// One port, several protocols: what a connection carries is told by its service, or else by its first octets.
import { connect } from 'node:http2';
import { formatAddress } from '../../lib/address.ts';
import { manualClock } from '../../lib/clock.ts';
import { rawClient, requestText } from '../harness/client.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin, type RawOrigin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { anywhere, serviceYaml } from '../harness/tcp.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

/** Answers HTTP/1.1 as such, and anything else with its own octets. */
const either = (): Promise<RawOrigin> =>
  rawOrigin(({ socket, write }) => {
    socket.on('data', (text: string) => {
      if (text.startsWith('GET ')) write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nHTTP');
      else write(text);
    });
    socket.on('end', () => socket.end());
  });

describe('where the octets decide', () => {
  test('a request is a request and anything else is passed on, however it was split', async () => {
    await using app = await either();
    await using sidecar = await startTestSidecar({ app: app.address, appProtocol: 'detect' });
    const request = requestText({ target: '/x' });
    for (let at = 1; at < request.length; at++) {
      await using client = await rawClient(sidecar.inbound);
      await client.send(request.slice(0, at));
      await client.send(request.slice(at));
      expect(await client.response()).toMatchObject({ status: 200, body: 'HTTP' });
    }
    expect(sidecar.records.map(({ path }) => path)).toEqual(Array(request.length - 1).fill('/x'));
    const opaque = '\x00\x00\x00\x08\x04\xd2\x16\x2fGET / HTTP/1.1\r\n\r\n';
    for (let at = 1; at < opaque.length; at++) {
      await using client = await rawClient(sidecar.inbound);
      await client.send(opaque.slice(0, at));
      await client.send(opaque.slice(at));
      await client.octets.until('the echo', (text) => text.length === opaque.length || undefined);
      expect(client.octets.text).toBe(opaque);
    }
    expect(sidecar.records).toHaveLength(request.length - 1);
  });

  test('HTTP/2 is answered as such', async () => {
    await using app = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ app: app.address, appProtocol: 'detect' });
    const session = connect(`http://${formatAddress(sidecar.inbound)}`);
    const stream = session.request({ ':path': '/', ':authority': 'web' });
    stream.setEncoding('latin1');
    let body = '';
    stream.on('data', (text: string) => {
      body += text;
    });
    await new Promise((resolve) => stream.on('end', resolve));
    expect(body).toBe('hello');
    session.destroy();
    await until('it is told', () => sidecar.records.length === 1);
    expect(sidecar.records[0]!.protocol).toBe('HTTP/2');
  });

  test('a caller that says nothing hears the service after the time for it, and one that has ended at once', async () => {
    const clock = manualClock();
    await using app = await rawOrigin(({ write }) => write('220 ready\r\n'));
    await using sidecar = await startTestSidecar({ app: app.address, appProtocol: 'detect', clock });
    await using client = await rawClient(sidecar.inbound);
    await until('it is there', () => sidecar.dataPlane.inbound.connections === 1);
    clock.advance(2900);
    await using ended = await rawClient(sidecar.inbound);
    ended.half();
    await ended.octets.until('the greeting', (text) => text === '220 ready\r\n' || undefined);
    expect([client.octets.text, app.peers.length]).toEqual(['', 1]);
    clock.advance(200);
    await client.octets.until('the greeting', (text) => text === '220 ready\r\n' || undefined);
  });

  test('octets that are not clear by then are passed on', async () => {
    const clock = manualClock();
    await using app = await either();
    await using sidecar = await startTestSidecar({ app: app.address, appProtocol: 'detect', clock });
    await using client = await rawClient(sidecar.inbound);
    await client.send('HEL');
    await until('it is there', () => sidecar.dataPlane.inbound.connections === 1);
    clock.advance(3100);
    await client.octets.until('the echo', (text) => text === 'HEL' || undefined);
  });
});

describe('between two sidecars, of a service of which nobody says what it speaks', () => {
  test('a local port takes both forms', async () => {
    await using app = await either();
    await using callee = await startTestSidecar({
      name: 'app',
      app: app.address,
      mtls: 'strict',
      credentials: await mesh.live('app'),
    });
    await using caller = await startTestSidecar({
      name: 'shop',
      credentials: await mesh.live('shop'),
      services: { app: [{ at: callee.inbound, identity: mesh.id('app') }] },
      upstreams: { app: anywhere },
    });
    const address = await caller.upstream('app');
    await using http = await rawClient(address);
    await http.send(requestText());
    expect(await http.response()).toMatchObject({ status: 200, body: 'HTTP' });
    expect([caller.records.length, callee.records.length]).toEqual([1, 1]);
    await using opaque = await rawClient(address);
    await opaque.send('*1\r\n$4\r\nPING\r\n');
    await opaque.octets.until('the echo', (text) => text === '*1\r\n$4\r\nPING\r\n' || undefined);
    expect([caller.records.length, callee.records.length]).toEqual([1, 1]);
  });
});

describe('where the service decides', () => {
  test('what is no HTTP gets the answer of HTTP, on each way in', async () => {
    await using app = await either();
    await using callee = await startTestSidecar({
      name: 'app',
      app: app.address,
      mtls: 'permissive',
      credentials: await mesh.live('app'),
      yaml: serviceYaml('app', 'http'),
    });
    // A caller that was told otherwise still gets what the service says.
    const octets = { ...(await mesh.client('shop')), ALPNProtocols: ['weft-tcp'] };
    for (const tls of [undefined, octets]) {
      await using client = await rawClient(callee.inbound, tls);
      await client.send('*1\r\n$4\r\nPING\r\n\r\n');
      expect((await client.response()).status).toBe(400);
      await using good = await rawClient(callee.inbound, tls);
      await good.send(requestText());
      expect((await good.response()).body).toBe('HTTP');
    }
    expect(app.peers).toHaveLength(1);
  });

  test('a service of TCP is given requests octet by octet, and its callers must not say HTTP', async () => {
    await using app = await rawOrigin(({ socket, write }) => {
      socket.on('data', (text: string) => write(text));
      socket.on('end', () => socket.end());
    });
    await using callee = await startTestSidecar({
      name: 'app',
      app: app.address,
      mtls: 'permissive',
      credentials: await mesh.live('app'),
      yaml: serviceYaml('app', 'tcp'),
    });
    const bad = 'GET /bad request\r\n\r\n';
    const tls = await mesh.client('shop');
    for (const given of [undefined, { ...tls, ALPNProtocols: ['weft-tcp'] }, { ...tls, ALPNProtocols: [] }]) {
      await using client = await rawClient(callee.inbound, given);
      await client.send(bad);
      await client.octets.until('the echo', (text) => text === bad || undefined);
    }
    for (const protocol of ['http/1.1', 'h2']) {
      const client = await rawClient(callee.inbound, { ...tls, ALPNProtocols: [protocol] });
      await client.over();
      await client[Symbol.asyncDispose]();
    }
    expect([app.peers.length, callee.records.length]).toEqual([3, 0]);
    await until('all are over', () => callee.connections.length === 5);
    expect(callee.connections.map(({ code }) => code).sort()).toEqual([
      ...Array(3).fill(''),
      ...Array(2).fill('PROTOCOL_MISMATCH'),
    ]);
  });

  test('a caller in plain text that waits for a service of TCP is told from one that begins TLS', async () => {
    await using app = await rawOrigin(({ write }) => write('220 ready\r\n'));
    await using callee = await startTestSidecar({
      name: 'app',
      app: app.address,
      mtls: 'permissive',
      appProtocol: 'tcp',
      credentials: await mesh.live('app'),
      limits: { detectMs: 50 },
    });
    const tls = { ...(await mesh.client('shop')), ALPNProtocols: ['weft-tcp'] };
    for (const given of [tls, undefined]) {
      await using client = await rawClient(callee.inbound, given);
      await client.octets.until('the greeting', (text) => text === '220 ready\r\n' || undefined);
    }
  });

  test('a request for a service of TCP is answered with what to do instead', async () => {
    await using caller = await startTestSidecar({ services: { db: [] }, yaml: serviceYaml('db', 'tcp') });
    const answer = await caller.send({ host: 'db' });
    expect([answer.status, answer.get('weft-error')]).toEqual([502, 'PROTOCOL_MISMATCH']);
    expect(caller.records[0]!.detail).toContain('upstream');
  });
});
