import { createHash } from 'node:crypto';
import { adapter } from '../../sidecar/net/adapter.ts';
import { rawClient, requestText } from '../harness/client.ts';
import { makeIdentities } from '../harness/identities.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { still, until } from '../harness/until.ts';

/** Octets whose order shows. */
const pattern = (length: number): string =>
  Array.from({ length: length / 8 }, (_, i) => i.toString(16).padStart(8, '0')).join('');
const sum = (text: string): string => createHash('sha1').update(text, 'latin1').digest('hex');
const chunked = (text: string, size: number): string => {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += size) {
    const piece = text.slice(at, at + size);
    pieces.push(`${piece.length.toString(16)}\r\n${piece}\r\n`);
  }
  return `${pieces.join('')}0\r\n\r\n`;
};

describe.each(['direct', 'public'] as const)('over the %s API of Node', (mode) => {
  beforeAll(() => {
    adapter.mode = mode;
  });
  afterAll(() => {
    adapter.mode = 'direct';
  });

  const body = pattern(2 * 1024 * 1024);
  test.each([
    ['with its length', ['content-length: 2097152'], body],
    ['in large chunks', ['transfer-encoding: chunked'], chunked(body, 100_000)],
    ['in small chunks', ['transfer-encoding: chunked'], chunked(body.slice(0, 200_000), 7)],
  ])('a large body %s arrives and comes back as it was', async (_, fields, octets) => {
    await using origin = await http1Origin((req, res) => void req.setEncoding('latin1').pipe(res));
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    const answer = (async () => client.response())();
    await client.send(requestText({ method: 'POST', fields }) + octets);
    const { status, body: back, complete } = await answer;
    const sent = fields[0]!.startsWith('content') || octets.length > 1_500_000 ? body : body.slice(0, 200_000);
    expect([status, complete, sum(back)]).toEqual([200, true, sum(sent)]);
  });

  test('requests follow each other, whole and octet by octet', async () => {
    await using origin = await http1Origin((req, res, seen) => {
      req.on('end', () => res.end(`${req.method} ${req.url} ${seen.body}`));
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    const text = requestText({ method: 'POST', target: '/a', body: 'hello' });
    await client.send(text + text);
    for (let i = 0; i < 2; i++) expect((await client.response()).body).toBe('POST /a hello');
    for (const octet of text) await client.send(octet);
    expect((await client.response()).body).toBe('POST /a hello');
    await client.send('GET / HTTP/1.1\r\nHost: web\r\nbad line\r\n\r\n');
    expect((await client.response()).status).toBe(400);
    await client.over();
  });

  test('a hop of the mesh carries requests and large bodies', async () => {
    const mesh = await makeIdentities();
    await using origin = await http1Origin((req, res) => void req.pipe(res));
    await using callee = await startTestSidecar({
      app: origin.address,
      mtls: 'permissive',
      credentials: await mesh.live('web'),
    });
    await using caller = await startTestSidecar({
      services: { web: [{ at: callee.inbound, identity: mesh.id('web') }] },
      credentials: await mesh.live('shop'),
    });
    expect(sum((await caller.send({ method: 'POST', body })).body)).toBe(sum(body));
    await using plain = await rawClient(callee.inbound);
    await plain.send(requestText({ method: 'POST', body }));
    expect(sum((await plain.response()).body)).toBe(sum(body));
  });
});

const MB = 1024 * 1024;

test('a service that answers faster than its caller reads is held back', async () => {
  let written = 0;
  await using origin = await rawOrigin(async (peer) => {
    await peer.head();
    peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`);
    while (!peer.octets.closed) {
      if (!peer.socket.write(chunk))
        await new Promise((resolve) => peer.socket.once('drain', resolve).once('close', resolve));
      written += 0x10000;
    }
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  client.socket.pause();
  await client.send(requestText());
  await until('the answer begins', () => written > 0);
  const before = await still(() => written);
  // What two pairs of kernel buffers hold, and little more.
  expect(before).toBeLessThan(40 * MB);
  client.socket.removeAllListeners('data');
  client.socket.resume();
  await until('it goes on', () => written > before + MB);
});

test('a caller who sends faster than the service reads is held back', async () => {
  await using origin = await rawOrigin(async (peer) => {
    peer.socket.pause();
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  await client.send(requestText({ method: 'POST', fields: ['content-length: 1000000000'] }));
  const chunk = Buffer.alloc(0x10000, 'x');
  let written = 0;
  let stop = false;
  const sending = (async () => {
    while (!stop && !client.octets.closed) {
      if (!client.socket.write(chunk))
        await new Promise((resolve) => client.socket.once('drain', resolve).once('close', resolve));
      written += chunk.length;
    }
  })();
  await until('it begins', () => written > 0);
  const before = await still(() => written);
  expect(before).toBeLessThan(40 * MB);
  origin.peers[0]!.socket.removeAllListeners('data');
  origin.peers[0]!.socket.resume();
  await until('it goes on', () => written > before + MB);
  stop = true;
  client.reset();
  await sending;
});
