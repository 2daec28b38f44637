import { manualClock } from '../../lib/clock.ts';
import { adapter } from '../../sidecar/net/adapter.ts';
import { rawClient, requestText } from '../harness/client.ts';
import { makeIdentities } from '../harness/identities.ts';
import { rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { accepting, acceptText, askText, echo, ended, goOver, heard, takeHead, tunnelled } from '../harness/tunnel.ts';
import { still, until } from '../harness/until.ts';

const MB = 1024 * 1024;

describe('octets that come before the answer', () => {
  test('reach the service behind its 101 and not before', async () => {
    await using mesh = await tunnelled(async (peer) => {
      await peer.head();
      if (peer.number > 1) return peer.write('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
      await peer.octets.until('the word', () => go || undefined);
      peer.write(acceptText());
    });
    let go = false;
    await mesh.client.send(`${askText()}GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n`);
    await until('the service has the request', () => mesh.origin.peers.length === 1);
    // Whatever was on its way is there when something that began later has come and gone.
    for (let i = 0; i < 3; i++) expect((await mesh.sidecar.send()).status).toBe(204);
    const [peer] = mesh.origin.peers;
    expect(peer!.octets.text).toBe('');
    go = true;
    peer!.socket.emit('data', '');
    await takeHead(mesh.client);
    await heard(peer!, 'GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n');
    await mesh.client.send('more');
    await heard(peer!, 'GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\nmore');
  });

  test('are held as far as one read goes; whoever sends more has to wait', async () => {
    const { promise: go, resolve } = Promise.withResolvers<void>();
    await using mesh = await tunnelled(async (peer) => {
      await peer.head();
      await go;
      peer.write(acceptText());
    });
    await mesh.client.send(askText());
    await until('the service has the request', () => mesh.origin.peers.length === 1);
    const { client } = mesh;
    const piece = Buffer.alloc(0x10000, 'x');
    let taken = 0;
    const all = 64 * MB;
    for (let sent = 0; sent < all; sent += piece.length) client.socket.write(piece, () => (taken += piece.length));
    await still(() => taken);
    expect(taken).toBeLessThan(all / 2);
    expect(mesh.origin.peers[0]!.octets.text).toBe('');
    resolve();
    await takeHead(client);
    await until('all of it is there', () => mesh.origin.peers[0]!.octets.text.length >= all);
  });

  test.each([
    ['a refusal of the service', 'HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno', 403, 'no'],
    [
      'an answer that knows nothing of it',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      200,
      'ok',
    ],
    ['426', 'HTTP/1.1 426 Other\r\nSec-WebSocket-Version: 12\r\ncontent-length: 0\r\n\r\n', 426, ''],
  ])('are dropped with the connection by %s', async (_, text, status, body) => {
    await using mesh = await tunnelled(async (peer) => {
      await peer.head();
      await peer.octets.until('the word', () => go || undefined);
      peer.write(text);
      await ended(peer);
    });
    let go = false;
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n';
    await mesh.client.send(askText() + smuggled);
    await until('the service has the request', () => mesh.origin.peers.length === 1);
    go = true;
    mesh.origin.peers[0]!.socket.emit('data', '');
    const answer = await mesh.client.response();
    expect([answer.status, answer.body, answer.get('connection')]).toEqual([status, body, 'close']);
    await mesh.client.send(smuggled).catch(() => undefined);
    await mesh.client.over();
    await ended(mesh.origin.peers[0]!);
    expect(mesh.origin.peers.map(({ octets }) => octets.text)).toEqual(['']);
    expect(mesh.sidecar.records.map((record) => [record.path, record.status])).toEqual([['/', status]]);
  });

  test('or none: a refusal without a service ends the connection as well', async () => {
    await using sidecar = await startTestSidecar();
    await using client = await sidecar.client();
    await client.send(askText());
    const answer = await client.response();
    expect([answer.status, answer.get('weft-error'), answer.get('connection')]).toEqual([404, 'NO_SERVICE', 'close']);
    await client.over();
  });
});

describe('a tunnel', () => {
  describe.each(['direct', 'public'] as const)('over the %s API of Node', (mode) => {
    beforeAll(() => {
      adapter.mode = mode;
    });
    afterAll(() => {
      adapter.mode = 'direct';
    });

    test.each(['plain text', 'mutual TLS'])(
      'carries any octets over %s, both ways at once, and ends each way by itself',
      async (over) => {
        const identities = await makeIdentities();
        await using origin = await rawOrigin(accepting(echo));
        await using sidecar = await startTestSidecar({
          app: origin.address,
          mtls: 'permissive',
          credentials: await identities.live('web'),
        });
        const tls = over === 'plain text' ? undefined : await identities.client('shop');
        await using client = await rawClient(sidecar.inbound, tls);
        await goOver(client);
        const octets = Buffer.from(Array.from({ length: 3 * MB }, (_, i) => (i * 7 + (i >> 8)) & 255));
        await client.send(octets);
        client.half();
        await client.over();
        expect(Buffer.from(client.octets.text, 'latin1').equals(octets)).toBe(true);
        await until('it has ended', () => sidecar.records.length === 1);
        const { length } = octets;
        expect(sidecar.records[0]).toMatchObject({
          status: 101,
          code: '',
          requestBytes: length,
          responseBytes: length,
        });
      },
    );

    test.each(['plain text', 'mutual TLS'])('that its service ends first goes on over %s', async (over) => {
      const identities = await makeIdentities();
      await using origin = await rawOrigin(
        accepting(async (peer) => {
          peer.socket.end('x'.repeat(MB));
          await ended(peer);
          expect(peer.octets.text).toBe('y'.repeat(MB));
        }),
      );
      await using sidecar = await startTestSidecar({
        app: origin.address,
        mtls: 'permissive',
        credentials: await identities.live('web'),
      });
      const tls = over === 'plain text' ? undefined : await identities.client('shop');
      await using client = await rawClient(sidecar.inbound, tls);
      await goOver(client);
      await client.over();
      expect(client.octets.text).toBe('x'.repeat(MB));
      await client.send('y'.repeat(MB));
      client.half();
      await until('it has ended', () => sidecar.records.length === 1);
      expect(sidecar.records[0]).toMatchObject({ status: 101, code: '', requestBytes: MB, responseBytes: MB });
    });
  });

  test('is not a body: its octets are not limited, and it may be slow', async () => {
    const clock = manualClock();
    await using mesh = await tunnelled(accepting(), { clock, maxRequestBody: 10 });
    await goOver(mesh.client);
    await mesh.client.send('x'.repeat(100_000));
    await heard(mesh.origin.peers[0]!, 'x'.repeat(100_000));
    clock.advance(1_000_000);
    await mesh.client.send('y');
    await heard(mesh.origin.peers[0]!, `${'x'.repeat(100_000)}y`);
  });

  test('keeps no connection from other requests, nor is its own ever used again', async () => {
    await using origin = await rawOrigin(async (peer) => {
      for (;;) {
        const head = await peer.head();
        if (head.includes('upgrade: websocket')) return peer.write(acceptText());
        peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      }
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    await client.send(requestText());
    expect((await client.response()).body).toBe('ok');
    // On the connection that the request before has used.
    await goOver(client);
    expect(origin.peers).toHaveLength(1);
    expect((await sidecar.send()).body).toBe('ok');
    expect(origin.peers).toHaveLength(2);
    client.half();
    origin.peers[0]!.socket.end();
    await until('the tunnel has ended', () => sidecar.records.length === 3);
    expect((await sidecar.send()).body).toBe('ok');
    expect(origin.peers).toHaveLength(2);
  });

  test('makes a service wait that says more than its caller reads', async () => {
    let taken = 0;
    await using mesh = await tunnelled(
      accepting((peer) => {
        for (let i = 0; i < 1024; i++) peer.socket.write(Buffer.alloc(0x10000, 'x'), () => (taken += 0x10000));
      }),
    );
    mesh.client.socket.pause();
    await mesh.client.send(askText());
    await until('it begins', () => taken > 0);
    const before = await still(() => taken);
    expect(before).toBeLessThan(40 * MB);
    let read = 0;
    mesh.client.socket.removeAllListeners('data').on('data', (text: string) => (read += text.length));
    mesh.client.socket.resume();
    await until('all of it is there', () => read >= 64 * MB);
  });

  test('makes a caller wait that says more than the service reads', async () => {
    await using mesh = await tunnelled(accepting((peer) => void peer.socket.pause()));
    await goOver(mesh.client);
    let taken = 0;
    const piece = Buffer.alloc(0x10000, 'x');
    for (let i = 0; i < 1024; i++) mesh.client.socket.write(piece, () => (taken += piece.length));
    await until('it begins', () => taken > 0);
    const before = await still(() => taken);
    expect(before).toBeLessThan(40 * MB);
    let read = 0;
    const { socket } = mesh.origin.peers[0]!;
    socket.removeAllListeners('data').on('data', (text: string) => (read += text.length));
    socket.resume();
    await until('all of it is there', () => read >= 64 * MB);
  });

  test('has the filters of its rule, for the request and for the answer', async () => {
    await using mesh = await tunnelled(
      async (peer) => {
        head = await peer.head();
        peer.write(acceptText('X-Gone: 1'));
      },
      {
        yaml: `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ kind: Service, group: '', name: web }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: /chat } }]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: { add: [{ name: x-added, value: '1' }] }
        - type: ResponseHeaderModifier
          responseHeaderModifier: { set: [{ name: x-set, value: '2' }], remove: [x-gone] }
      backendRefs: [{ name: web, port: 80 }]
`,
      },
    );
    let head = '';
    await mesh.client.send(askText('/chat'));
    const answer = await takeHead(mesh.client);
    expect(head).toMatch(/\r\nx-added: 1\r\n/);
    expect(answer).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\nx-set: 2\r\n/);
    expect(answer).not.toMatch(/x-gone/i);
    await mesh.client.send('hello');
    await heard(mesh.origin.peers[0]!, 'hello');
  });
});
