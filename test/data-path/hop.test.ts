// The hop between sidecars: few long-lived connections, and what happens when one of them has to end.
import { once } from 'node:events';
import { manualClock } from '../../lib/clock.ts';
import { Live } from '../../lib/live.ts';
import type { Credentials } from '../../sidecar/tls/credentials.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const service = (protocol: string): string =>
  `apiVersion: weft.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80, protocol: ${protocol} }] }\n`;

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

const sidecars = async (app: Awaited<ReturnType<typeof http1Origin>>['address']) => {
  const own = { web: new Live<Credentials | undefined>(undefined), shop: new Live<Credentials | undefined>(undefined) };
  const renew = async (who: 'web' | 'shop') => own[who].set((await mesh.live(who)).current);
  await renew('web');
  await renew('shop');
  const callee = await startTestSidecar({ name: 'web', app, mtls: 'strict', credentials: own.web });
  const caller = await startTestSidecar({
    services: { web: [{ at: callee.inbound, identity: mesh.id('web') }] },
    credentials: own.shop,
  });
  return { callee, caller, renew };
};

/** Requests one after the other until told to stop; gives what was not 200. */
function steadily(sidecar: TestSidecar) {
  let stopped = false;
  let sent = 0;
  const wrong: unknown[] = [];
  const done = (async () => {
    await using client = await sidecar.client();
    while (!stopped) {
      await client.send('GET / HTTP/1.1\r\nHost: web\r\n\r\n');
      const { status } = await client.response();
      if (status !== 200) wrong.push(status);
      sent++;
    }
  })();
  return {
    more: async (count: number) => {
      const enough = sent + count;
      await until(`${count} more requests are answered`, () => sent >= enough);
    },
    async stop() {
      stopped = true;
      await done;
      return wrong;
    },
  };
}

test('all exchanges between two sidecars share one connection', async () => {
  const { promise: open, resolve } = Promise.withResolvers<void>();
  await using origin = await http1Origin((_, res) => void open.then(() => res.end('hello')));
  const { callee, caller } = await sidecars(origin.address);
  await using _ = callee;
  await using __ = caller;
  const answers = Promise.all(Array.from({ length: 40 }, () => caller.send()));
  await until('all are with the app', () => origin.requests.length === 40);
  expect(callee.dataPlane.inbound.connections).toBe(1);
  resolve();
  expect((await answers).map(({ body }) => body)).toEqual(Array(40).fill('hello'));
});

test.each(['shop', 'web'] as const)(
  'a new certificate of %s moves the traffic to a new connection, and costs no request',
  async (who) => {
    await using origin = await http1Origin('hello');
    const { callee, caller, renew } = await sidecars(origin.address);
    await using _ = callee;
    await using __ = caller;
    const opened = (): number =>
      Number(
        /^weft_connections_opened_total\{direction="inbound",end="downstream"\} (\d+)$/m.exec(callee.metrics())![1],
      );
    const lines = [steadily(caller), steadily(caller)];
    for (const line of lines) await line.more(5);
    const before = opened();
    await renew(who);
    await until('there is a new connection', () => opened() > before);
    await until('the old one is gone', () => callee.dataPlane.inbound.connections === 1);
    for (const line of lines) await line.more(5);
    expect((await Promise.all(lines.map((line) => line.stop()))).flat()).toEqual([]);
  },
);

test('a sidecar that drains ends what was asked of it, and loses nothing that is asked meanwhile', async () => {
  await using origin = await http1Origin('hello');
  const first = await sidecars(origin.address);
  await using _ = first.caller;
  await using second = await startTestSidecar({
    name: 'web',
    app: origin.address,
    mtls: 'strict',
    credentials: await mesh.live('web'),
  });
  const both = [first.callee, second].map(({ inbound }) => ({ at: inbound, identity: mesh.id('web') }));
  await first.caller.apply({ services: { web: both } });
  const lines = [steadily(first.caller), steadily(first.caller), steadily(first.caller)];
  for (const line of lines) await line.more(10);
  // As the control plane does: out of the list first, then the end.
  await first.caller.apply({ services: { web: [both[1]!] } });
  await first.callee.dataPlane.drain(5000);
  expect(first.callee.dataPlane.inbound.connections).toBe(0);
  await first.callee[Symbol.asyncDispose]();
  for (const line of lines) await line.more(10);
  expect((await Promise.all(lines.map((line) => line.stop()))).flat()).toEqual([]);
});

test('an endpoint that has vanished without a word is noticed by a PING', async () => {
  const clock = manualClock();
  let heard = '';
  let gone = false;
  // Says its SETTINGS, and then nothing more, whatever it hears.
  await using origin = await rawOrigin(async (peer) => {
    peer.socket.on('data', (chunk: string) => {
      heard += chunk;
    });
    peer.socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    await once(peer.socket, 'end');
    gone = true;
    peer.socket.end();
  });
  await using sidecar = await startTestSidecar({
    clock,
    services: { web: [origin.address] },
    yaml: service('http2'),
    limits: { pingMs: 1000, pongMs: 1000 },
  });
  // A method that may have done its work there already: it is not asked again.
  const answer = sidecar.send({ method: 'POST' });
  await until('the request is with the endpoint', () => heard.includes('\x01\x05\0\0\0\x01'));
  clock.advance(1001);
  await until('it is asked whether it is there', () => heard.includes('\0\0\x08\x06\0\0\0\0\0'));
  clock.advance(1001);
  await until('the connection is given up', () => gone);
  expect(await answer).toMatchObject({ status: 502 });
});
