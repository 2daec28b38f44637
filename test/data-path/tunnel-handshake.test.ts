import { manualClock } from '../../lib/clock.ts';
import { requestText } from '../harness/client.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import {
  accepting,
  acceptText,
  askText,
  ended,
  goOver,
  heard,
  takeHead,
  tunnelled,
  websocketAccept,
  websocketKey,
} from '../harness/tunnel.ts';
import { until } from '../harness/until.ts';

const policy = (kind: string, spec: string): string =>
  `apiVersion: weft.dev/v1\nkind: ${kind}\nmetadata: { name: web }\nspec: { targetRefs: [{ kind: Service, name: web }], ${spec} }\n`;

describe('the handshake', () => {
  test('goes on with fields of the hop of our own, and everything else as it came', async () => {
    await using mesh = await tunnelled(async (peer) => {
      head = await peer.head();
      peer.write(acceptText('Sec-WebSocket-Protocol: chat', 'Keep-Alive: timeout=5', 'Content-Length: 0', 'X-Id: 7'));
    });
    let head = '';
    await mesh.client.send(askText('/chat?room=1', 'Sec-WebSocket-Protocol: chat, v2', 'Proxy-Connection: x'));
    const answer = await takeHead(mesh.client);
    expect(head.split('\r\n')).toEqual([
      'GET /chat?room=1 HTTP/1.1',
      'Host: web',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: chat, v2',
      'connection: upgrade',
      'upgrade: websocket',
      `sec-websocket-key: ${websocketKey}`,
      expect.stringMatching(/^traceparent: /),
      expect.stringMatching(/^x-request-id: /),
      '',
      '',
    ]);
    expect(answer.split('\r\n')).toEqual([
      'HTTP/1.1 101 Switching Protocols',
      'Sec-WebSocket-Protocol: chat',
      'X-Id: 7',
      'connection: upgrade',
      'upgrade: websocket',
      `sec-websocket-accept: ${websocketAccept}`,
      '',
      '',
    ]);
  });

  test('may come octet by octet, both ways', async () => {
    await using mesh = await tunnelled(async (peer) => {
      await peer.head();
      for (const octet of `HTTP/1.1 103 Early Hints\r\n\r\n${acceptText()}abc`) {
        peer.write(octet);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await heard(peer, '\r\nGET / HTTP/1.1\r\n\r\n');
      peer.write('bye');
    });
    for (const octet of `${askText()}\r\nGET / HTTP/1.1\r\n\r\n`) await mesh.client.send(octet);
    expect(await takeHead(mesh.client)).toMatch(/^HTTP\/1\.1 103 /);
    expect(await takeHead(mesh.client)).toMatch(/^HTTP\/1\.1 101 /);
    await heard(mesh.client, 'abcbye');
  });

  test.each([
    ['in front of its end', -4],
    ['behind it', 0],
    ['behind a few octets more', 5],
  ])('may be cut in two %s', async (_, at) => {
    await using mesh = await tunnelled(async (peer) => {
      await peer.head();
      const all = `${acceptText()}server`;
      const cut = acceptText().length + at;
      peer.write(all.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      peer.write(all.slice(cut));
      await heard(peer, 'client');
    });
    const all = `${askText()}client`;
    const cut = askText().length + at;
    await mesh.client.send(all.slice(0, cut));
    await until('the first part is there', () => mesh.sidecar.underWay === 1 || at < 0);
    await mesh.client.send(all.slice(cut));
    await takeHead(mesh.client);
    await heard(mesh.client, 'server');
    await heard(mesh.origin.peers[0]!, 'client');
  });

  test('works for any protocol of the list, and only for those', async () => {
    await using mesh = await tunnelled(
      async (peer) => {
        head = await peer.head();
        peer.write(`HTTP/1.1 101 Fine\r\nConnection: x, UPGRADE\r\nUpgrade: ECHO/2\r\n\r\n`);
        peer.write(await peer.octets.until('octets', (text) => text || undefined));
      },
      { upgrades: ['echo/2'] },
    );
    let head = '';
    await mesh.client.send('GET / HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: Echo/2\r\n\r\n\0\xff');
    expect(await takeHead(mesh.client)).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo/2\r\n\r\n',
    );
    await heard(mesh.client, '\0\xff');
    expect(head).toMatch(/\r\nconnection: upgrade\r\nupgrade: echo\/2\r\ntraceparent/);
  });

  const get = (...fields: readonly string[]): string => requestText({ fields });
  const ws = ['Upgrade: websocket', `Sec-WebSocket-Key: ${websocketKey}`];
  const connection = 'Connection: upgrade';
  test.each([
    ['a protocol that is not on the list', get(connection, 'Upgrade: echo')],
    ['HTTP/2', get(`${connection}, HTTP2-Settings`, 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__')],
    ['a list of protocols', get(connection, 'Upgrade: websocket, h2c', ws[1]!)],
    ['two Upgrade fields', get(connection, ...ws, 'Upgrade: websocket')],
    ['an Upgrade field that Connection does not name', get(...ws)],
    ['Connection: upgrade without Upgrade', get(connection)],
    ['no key', get(connection, ws[0]!)],
    ['a key that is none', get(connection, ws[0]!, 'Sec-WebSocket-Key: abc')],
    ['two keys', get(connection, ...ws, ws[1]!)],
    [
      'HTTP/1.0',
      get(connection, ...ws)
        .replace('HTTP/1.1', 'HTTP/1.0')
        .replace(connection, 'Connection: upgrade, keep-alive'),
    ],
    ['another method', requestText({ method: 'OPTIONS', fields: [connection, ...ws] })],
    ['a body', requestText({ fields: [connection, ...ws], body: 'hello' })],
    ['a body in chunks', `${get(connection, ...ws, 'Transfer-Encoding: chunked')}0\r\n\r\n`],
  ])('is not looked at for %s: the request goes on as plain HTTP', async (_, text) => {
    await using origin = await http1Origin('plain');
    origin.server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 400 Switched\r\n\r\n'));
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    // A second request behind it is one, too.
    await client.send(text + get('x-second: 1'));
    for (let i = 0; i < 2; i++) expect(await client.response()).toMatchObject({ status: 200, body: 'plain' });
    for (const seen of origin.requests)
      expect(
        ['upgrade', 'connection', 'http2-settings', 'sec-websocket-key'].flatMap((name) => seen.all(name)),
      ).toEqual([]);
    expect(origin.requests.map((seen) => seen.all('x-second').length)).toEqual([0, 1]);
  });

  test.each([
    ['another accept', acceptText().replace('s3p', 's3q')],
    ['no accept', acceptText().replace(/Sec-WebSocket-Accept.*\r\n/, '')],
    ['two accepts', acceptText(`Sec-WebSocket-Accept: ${websocketAccept}`)],
    ['another protocol', acceptText().replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['two protocols', acceptText('Upgrade: h2c')],
    ['no protocol', acceptText().replace('Upgrade: websocket\r\n', '')],
    ['no Connection: upgrade', acceptText().replace('Connection: Upgrade\r\n', '')],
  ])('is broken by a 101 with %s', async (_, text) => {
    await using mesh = await tunnelled(async (peer) => {
      await peer.head();
      peer.write(text);
      await ended(peer);
    });
    await mesh.client.send(`${askText()}early`);
    const answer = await mesh.client.response();
    expect([answer.status, answer.get('weft-error'), answer.get('connection')]).toEqual([
      502,
      'UPSTREAM_INVALID',
      'close',
    ]);
    await mesh.client.over();
    await ended(mesh.origin.peers[0]!);
    expect(mesh.origin.peers[0]!.octets.text).toBe('');
  });

  test('has the time of a request; what follows has its own', async () => {
    const clock = manualClock();
    const yaml = policy('TimeoutPolicy', 'request: 2s');
    await using mesh = await tunnelled((peer) => (mesh.origin.peers.length > 1 ? accepting()(peer) : undefined), {
      clock,
      yaml,
    });
    await mesh.client.send(askText());
    await until('the service has the request', () => mesh.origin.peers[0]?.octets.text.endsWith('\r\n\r\n') === true);
    clock.advance(2001);
    const late = await mesh.client.response();
    expect([late.status, late.get('weft-error'), late.get('connection')]).toEqual([504, 'REQUEST_DEADLINE', 'close']);
    await using second = await mesh.sidecar.client();
    await goOver(second);
    clock.advance(10_000);
    await second.send('still there');
    await heard(mesh.origin.peers[1]!, 'still there');
  });

  test('is tried again where a policy says so, and early octets reach only who accepts', async () => {
    await using busy = await rawOrigin(async (peer) => {
      await peer.head();
      peer.write('HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy');
      await ended(peer);
    });
    await using free = await rawOrigin(accepting());
    await using sidecar = await startTestSidecar({
      services: { web: [busy.address, free.address] },
      yaml: policy('RetryPolicy', 'retries: 1, on: [503], backoff: { base: 1ms, max: 2ms }'),
    });
    for (let i = 0; i < 2; i++) {
      await using client = await sidecar.client();
      await client.send(`${askText()}early`);
      expect(await takeHead(client)).toMatch(/^HTTP\/1\.1 101 /);
      await heard(free.peers[i]!, 'early');
    }
    expect(busy.peers.length).toBeGreaterThan(0);
    for (const peer of busy.peers) {
      await ended(peer);
      expect(peer.octets.text).toBe('');
    }
  });
});
