// What a sidecar does when its process runs out of something. Real processes, with limits that the system enforces.
import { Callers } from '../harness/callers.ts';
import { rawClient, requestText, send } from '../harness/client.ts';
import { eventually } from '../harness/eventually.ts';
import { http1Origin } from '../harness/origin.ts';
import { startSidecarProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';

/** An origin that answers `/fast` at once, and all else when the test says so. */
async function holdingOrigin() {
  const held: (() => void)[] = [];
  const origin = await http1Origin((req, res) => {
    if (req.url === '/fast') res.end('hello');
    else held.push(() => res.end('late'));
  });
  const release = (): void => {
    for (const answer of held.splice(0)) answer();
  };
  return { address: origin.address, held, release, [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose]() };
}

test('RES-FD, RES-FD-UPSTREAM: without files left callers are refused, those that are there are served, and it recovers', async () => {
  await using origin = await holdingOrigin();
  await using sidecar = await startSidecarProcess(origin.address, { before: 'ulimit -n 256' });
  await using client = await rawClient(sidecar.outbound);
  const ask = async (): Promise<string> => {
    await client.send(requestText({ target: '/fast' }));
    return (await client.response()).body;
  };
  expect(await ask()).toBe('hello');

  using callers = new Callers();
  await callers.open(sidecar.outbound, 400);
  // 64 are for what the process needs itself, and a quarter of the rest is not for callers; one is for the client, and one
  // for its connection to the service.
  const taken = (256 - 64) * 0.75 - 2;
  await until('the others are closed', () => callers.closed === 400 - taken);
  expect(await ask()).toBe('hello');
  expect(await sidecar.ready()).toEqual({ ready: true });
  expect(await sidecar.metric('weft_connections_refused_total', 'reason="files"')).toBe(400 - taken);
  expect(sidecar.running.output().match(/connections refused/g)!.length).toBeLessThanOrEqual(2);
  const before = await sidecar.metric('process_cpu_seconds_total');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect((await sidecar.metric('process_cpu_seconds_total')) - before).toBeLessThan(0.5);

  // Each needs a connection of its own to the service: there are not that many files.
  for (const socket of callers.live) socket.write(requestText());
  await until('all are answered or under way', () => callers.codes.length + origin.held.length === taken);
  expect(callers.codes.length).toBeGreaterThan(50);
  expect([...new Set(callers.codes)]).toEqual(['OUT_OF_FILES']);
  expect(await sidecar.metric('weft_requests_total', 'code="OUT_OF_FILES"')).toBe(callers.codes.length);
  expect(await sidecar.metric('weft_retries_total')).toBeLessThanOrEqual(callers.codes.length / 2);
  expect(await sidecar.ready()).toEqual({ ready: true });

  origin.release();
  await until('those under way are answered', () => callers.codes.length === taken);
  expect(await ask()).toBe('hello');
  callers[Symbol.dispose]();
  await eventually('the callers are gone', async () =>
    (await sidecar.metric('weft_connections{', 'downstream')) < 10 ? true : undefined,
  );
  expect((await send(sidecar.outbound, { target: '/fast' })).body).toBe('hello');
});

test('RES-HEAP: at the end of its heap a sidecar refuses, lives, and recovers', async () => {
  await using origin = await holdingOrigin();
  await using sidecar = await startSidecarProcess(origin.address, {
    env: { NODE_OPTIONS: '--max-old-space-size=40' },
  });
  expect((await send(sidecar.outbound, { target: '/fast' })).body).toBe('hello');

  // Paths that are long stay in the heap for as long as their requests are under way.
  using callers = new Callers();
  const large = requestText({ target: `/${'x'.repeat(15_000)}` });
  while (callers.codes.length + callers.closed === 0 && callers.all.length < 4000) {
    const already = callers.all.length;
    await callers.open(sidecar.outbound, 100);
    for (const socket of callers.all.slice(already)) socket.write(large);
  }
  await callers.open(sidecar.outbound, 10);
  await until('they are refused', () => callers.closed >= 10);
  expect(callers.codes.filter((code) => code !== 'OVERLOAD_MEMORY')).toEqual([]);
  expect((await sidecar.ready()).detail).toContain('overloaded');
  expect(await sidecar.metric('weft_overload_level')).toBeGreaterThanOrEqual(2);
  expect(await sidecar.metric('weft_connections_refused_total', 'reason="overload"')).toBeGreaterThanOrEqual(10);

  origin.release();
  callers[Symbol.dispose]();
  await sidecar.well();
  expect((await send(sidecar.outbound, { target: '/fast' })).body).toBe('hello');
});

test('RES-EVENTLOOP: a loop that is late all the time refuses new requests, and takes them again when it is not', async () => {
  await using origin = await http1Origin('hello');
  await using sidecar = await startSidecarProcess(origin.address);
  await using client = await rawClient(sidecar.outbound);
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  // Stopped most of the time, as by a quota of CPU that is too small.
  let endMs = performance.now() + 20_000;
  const stopped = (async () => {
    while (performance.now() < endMs) {
      sidecar.running.child.kill('SIGSTOP');
      await pause(450);
      sidecar.running.child.kill('SIGCONT');
      await pause(50);
    }
  })();
  const answer = await eventually(
    'it refuses',
    async () => {
      await client.send(requestText());
      const one = await client.response();
      return one.get('connection') === 'close' ? one : undefined;
    },
    15_000,
  );
  expect([answer.status, answer.get('weft-error'), answer.get('retry-after')]).toEqual([503, 'OVERLOAD_DELAY', '1']);
  using callers = new Callers();
  await callers.open(sidecar.outbound, 1);
  await until('it is closed', () => callers.closed === 1);
  endMs = 0;
  await stopped;
  expect(await sidecar.metric('weft_connections_refused_total', 'reason="overload"')).toBe(1);
  await sidecar.well();
  expect((await send(sidecar.outbound)).body).toBe('hello');
});
