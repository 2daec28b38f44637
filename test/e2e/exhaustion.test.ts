// What a sidecar does when its process runs out of something. Real processes, with limits that the system enforces.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, formatAddress, parseAddress } from '../../lib/address.ts';
import { rawClient, requestText, send } from '../harness/client.ts';
import { eventually } from '../harness/eventually.ts';
import { http1Origin } from '../harness/origin.ts';
import { until } from '../harness/until.ts';
import { type Running, startProgram, weftBin } from '../harness/weft.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-exhaustion-'));
const running: Running[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.end('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A sidecar of its own process that knows the service `web`, started by a shell that runs `before` first. */
async function startLimited(app: Address, before: string, env: NodeJS.ProcessEnv = {}) {
  const file = join(folder, `${running.length}.yaml`);
  const { host, port } = app as { host: string; port: number };
  writeFileSync(
    file,
    `apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ port: 80, protocol: http }]
  endpoints: [{ address: ${host}, port: ${port} }]
`,
  );
  const listeners = ['inbound', 'outbound', 'admin'].map((name) => `--${name} 127.0.0.1:0`).join(' ');
  const flags = `--service caller --app ${formatAddress(app)} --config ${file} --mtls off --access-log off ${listeners}`;
  const sidecar = startProgram('sh', ['-c', `${before}; exec ${weftBin} sidecar ${flags}`], { env });
  running.push(sidecar);
  const at = await sidecar.line((line) =>
    line.startsWith('{"event":"listening"') ? (JSON.parse(line) as Record<'outbound' | 'admin', string>) : undefined,
  );
  const page = async (path: string) => fetch(`http://${at.admin}${path}`, { headers: { connection: 'close' } });
  return {
    process: sidecar.child,
    outbound: parseAddress(at.outbound)!,
    refusals: () =>
      sidecar
        .output()
        .split('\n')
        .filter((line) => line.includes('connections refused')).length,
    ready: async () => (await page('/ready')).json() as Promise<{ ready?: boolean; note?: string; detail?: string }>,
    /** The sum of all samples of a metric whose labels have this text. */
    async metric(name: string, labels = ''): Promise<number> {
      const lines = (await (await page('/metrics')).text()).split('\n');
      return lines
        .filter((line) => line.startsWith(name) && line.includes(labels))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
  };
}

/** Connections to one address, and what came back on them. */
class Callers {
  readonly all: Socket[] = [];
  readonly codes: string[] = [];
  closed = 0;

  async open(to: Address, count: number): Promise<void> {
    const fresh = Array.from({ length: count }, () => connect({ ...(to as { host: string; port: number }) }));
    await Promise.all(
      fresh.map((socket) => {
        this.all.push(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => this.closed++);
        socket.on('data', (chunk) => {
          const code = /^HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n/.exec(chunk.toString('latin1'));
          if (code !== null) this.codes.push(/weft-error: (\w+)/.exec(code[0])?.[1] ?? code[1]!);
        });
        return once(socket, 'connect');
      }),
    );
  }

  get live(): readonly Socket[] {
    return this.all.filter((socket) => !socket.destroyed);
  }

  end(): void {
    for (const socket of this.all) socket.destroy();
  }
}

test('RES-FD, RES-FD-UPSTREAM: without files left callers are refused, those that are there are served, and it recovers', async () => {
  const held: (() => void)[] = [];
  await using origin = await http1Origin((req, res) => {
    if (req.url === '/fast') res.end('hello');
    else held.push(() => res.end('late'));
  });
  const sidecar = await startLimited(origin.address, 'ulimit -n 256');
  await using client = await rawClient(sidecar.outbound);
  const ask = async (): Promise<string> => {
    await client.send(requestText({ target: '/fast' }));
    return (await client.response()).body;
  };
  expect(await ask()).toBe('hello');

  const callers = new Callers();
  await callers.open(sidecar.outbound, 400);
  // 64 are for what the process needs itself, and a quarter of the rest is not for callers; one is for the client, and one
  // for its connection to the service.
  const taken = (256 - 64) * 0.75 - 2;
  await until('the others are closed', () => callers.closed === 400 - taken);
  expect(await ask()).toBe('hello');
  expect(await sidecar.ready()).toEqual({ ready: true });
  expect(await sidecar.metric('weft_connections_refused_total', 'reason="files"')).toBe(400 - taken);
  expect(sidecar.refusals()).toBeLessThanOrEqual(2);
  const before = await sidecar.metric('process_cpu_seconds_total');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect((await sidecar.metric('process_cpu_seconds_total')) - before).toBeLessThan(0.5);

  // Each needs a connection of its own to the service: there are not that many files.
  for (const socket of callers.live) socket.write(requestText());
  await until('all are answered or under way', () => callers.codes.length + held.length === taken);
  expect(callers.codes.length).toBeGreaterThan(50);
  expect([...new Set(callers.codes)]).toEqual(['OUT_OF_FILES']);
  expect(await sidecar.metric('weft_requests_total', 'code="OUT_OF_FILES"')).toBe(callers.codes.length);
  expect(await sidecar.metric('weft_retries_total')).toBeLessThanOrEqual(callers.codes.length / 2);
  expect(await sidecar.ready()).toEqual({ ready: true });

  for (const answer of held.splice(0)) answer();
  await until('those under way are answered', () => callers.codes.length === taken);
  expect(await ask()).toBe('hello');
  callers.end();
  await eventually('the callers are gone', async () =>
    (await sidecar.metric('weft_connections{', 'downstream')) < 10 ? true : undefined,
  );
  await using another = await rawClient(sidecar.outbound);
  await another.send(requestText({ target: '/fast' }));
  expect((await another.response()).body).toBe('hello');
});

test('RES-HEAP: at the end of its heap a sidecar refuses, lives, and recovers', async () => {
  const held: (() => void)[] = [];
  await using origin = await http1Origin((req, res) => {
    if (req.url === '/fast') res.end('hello');
    else held.push(() => res.end('late'));
  });
  const sidecar = await startLimited(origin.address, 'true', { NODE_OPTIONS: '--max-old-space-size=40' });
  expect((await send(sidecar.outbound, { target: '/fast' })).body).toBe('hello');

  // Paths that are long stay in the heap for as long as their requests are under way.
  const callers = new Callers();
  const large = requestText({ target: `/${'x'.repeat(15_000)}` });
  const overloaded = (): boolean => callers.codes.length + callers.closed > 0;
  while (!overloaded() && callers.all.length < 4000) {
    const already = callers.all.length;
    await callers.open(sidecar.outbound, 100);
    for (const socket of callers.all.slice(already)) socket.write(large);
  }
  await callers.open(sidecar.outbound, 10);
  await until('they are refused', () => callers.closed >= 10);
  expect([...new Set(callers.codes)].filter((code) => code !== 'OVERLOAD_MEMORY')).toEqual([]);
  expect((await sidecar.ready()).detail).toContain('overloaded');
  expect(await sidecar.metric('weft_overload_level')).toBeGreaterThanOrEqual(2);
  expect(await sidecar.metric('weft_connections_refused_total', 'reason="overload"')).toBeGreaterThanOrEqual(10);

  for (const answer of held.splice(0)) answer();
  callers.end();
  await eventually('it is well', async () =>
    JSON.stringify(await sidecar.ready()) === '{"ready":true}' ? true : undefined,
  );
  expect((await send(sidecar.outbound, { target: '/fast' })).body).toBe('hello');
});

test('RES-EVENTLOOP: a loop that is late all the time refuses new requests, and takes them again when it is not', async () => {
  await using origin = await http1Origin('hello');
  const sidecar = await startLimited(origin.address, 'true');
  await using client = await rawClient(sidecar.outbound);
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  // Stopped most of the time, as by a quota of CPU that is too small.
  const late = { until: performance.now() + 20_000 };
  const stopped = (async () => {
    while (performance.now() < late.until) {
      sidecar.process.kill('SIGSTOP');
      await pause(450);
      sidecar.process.kill('SIGCONT');
      await pause(50);
    }
  })();
  const seen: (string | undefined)[] = [];
  const look = async (): Promise<true | undefined> => {
    await client.send(requestText());
    const answer = await client.response();
    seen.push(answer.get('weft-error'), answer.get('retry-after'), answer.get('connection'));
    return answer.get('connection') === 'close' ? true : undefined;
  };
  await eventually('it refuses', look, 15_000);
  expect(seen.slice(-3)).toEqual(['OVERLOAD_DELAY', '1', 'close']);
  await pause(1500);
  await using another = await Promise.race([rawClient(sidecar.outbound), stopped.then(() => undefined)]);
  await another?.over();
  late.until = 0;
  await stopped;
  expect(await sidecar.metric('weft_connections_refused_total', 'reason="overload"')).toBeGreaterThanOrEqual(1);
  await eventually('it is well', async () =>
    JSON.stringify(await sidecar.ready()) === '{"ready":true}' ? true : undefined,
  );
  expect((await send(sidecar.outbound)).body).toBe('hello');
});
