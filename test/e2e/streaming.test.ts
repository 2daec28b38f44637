// Answers that take their time, through two sidecars: events one by one, requests that are held, callers who leave.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:http2';
import { type Clock, manualClock, systemClock } from '../../lib/clock.ts';
import { requestText } from '../harness/client.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

interface Hops extends AsyncDisposable {
  readonly origin: Origin;
  readonly caller: TestSidecar;
  readonly callee: TestSidecar;
  /** Answers that the service has under way, in order. */
  readonly answers: readonly ServerResponse[];
}

/** The service begins an answer (a stream of events on /events) and leaves the rest to the test. */
async function hops(clock: Clock = systemClock): Promise<Hops> {
  const answers: ServerResponse[] = [];
  const origin = await http1Origin((req, res) => {
    answers.push(res);
    if (req.url !== '/events') return;
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    res.write('data: first\n\n');
  });
  const callee = await startTestSidecar({
    name: 'web',
    app: origin.address,
    mtls: 'strict',
    credentials: await mesh.live('web'),
    clock,
  });
  const caller = await startTestSidecar({
    services: { web: [{ at: callee.inbound, identity: mesh.id('web') }] },
    credentials: await mesh.live('shop'),
    clock,
    // A service that holds requests says so; otherwise an answer has to begin within 15 s.
    yaml: `
apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: held }
spec: { targetRefs: [{ kind: Service, name: web }], request: 0s }
`,
  });
  return {
    origin,
    caller,
    callee,
    answers,
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      await callee[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

const over = ({ caller, callee }: Hops): Promise<void> =>
  until('the exchange is over on both sides', () => caller.underWay === 0 && callee.underWay === 0);

describe('a caller with HTTP/1.1', () => {
  test('gets each event as it happens', async () => {
    await using both = await hops();
    await using client = await both.caller.client();
    await client.send(requestText({ target: '/events', fields: ['accept: text/event-stream'] }));
    const seen = (event: string) =>
      client.octets.until(event, (text) => (text.includes(`data: ${event}\n\n`) ? text : undefined));
    expect(await seen('first')).toMatch(/^content-type: text\/event-stream\r$/m);
    for (const event of ['second', 'third']) {
      both.answers[0]!.write(`data: ${event}\n\n`);
      await seen(event);
    }
    both.answers[0]!.end();
    expect(await client.response()).toMatchObject({
      body: 'data: first\n\ndata: second\n\ndata: third\n\n',
      complete: true,
    });
  });

  test.each(['/events', '/held'])('who leaves ends the request at the service: %s', async (target) => {
    await using both = await hops();
    await using client = await both.caller.client();
    await client.send(requestText({ target }));
    await until('the service has it', () => both.answers.length === 1);
    client.reset();
    await until('the service hears of it', () => both.origin.requests[0]!.aborted || both.answers[0]!.closed);
    await over(both);
    expect(both.caller.records[0]!.code).toBe('DOWNSTREAM_GONE');
  });

  test('whose request is held for half a minute gets its answer', async () => {
    const clock = manualClock();
    await using both = await hops(clock);
    await using client = await both.caller.client();
    await client.send(requestText({ target: '/held' }));
    await until('the service has it', () => both.answers.length === 1);
    for (let second = 0; second < 30; second++) {
      clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    both.answers[0]!.end('now');
    expect(await client.response()).toMatchObject({ status: 200, body: 'now' });
  });

  test('who gets an event a minute keeps getting them', async () => {
    const clock = manualClock();
    await using both = await hops(clock);
    await using client = await both.caller.client();
    await client.send(requestText({ target: '/events' }));
    for (let minute = 1; minute <= 60; minute++) {
      await until('the service has it', () => both.answers.length === 1);
      clock.advance(60_000);
      both.answers[0]!.write(`data: ${minute}\n\n`);
      await client.octets.until('the event', (text) => (text.includes(`data: ${minute}\n\n`) ? true : undefined));
    }
    both.answers[0]!.end();
    expect((await client.response()).complete).toBe(true);
  });
});

describe('a caller with HTTP/2', () => {
  const session = ({ caller }: Hops) => connect(`http://127.0.0.1:${(caller.outbound as { port: number }).port}`);

  test('gets each event as it happens, and ends the request at the service by leaving', async () => {
    await using both = await hops();
    const client = session(both);
    const stream = client.request({ ':authority': 'web', ':path': '/events' });
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await until('the first event', () => text === 'data: first\n\n');
    both.answers[0]!.write('data: second\n\n');
    await until('the second event', () => text.endsWith('data: second\n\n'));
    // Another one on the same connection is not disturbed.
    const other = client.request({ ':authority': 'web', ':path': '/held' });
    await until('the service has it', () => both.answers.length === 2);
    stream.close(8);
    await until('the service hears of it', () => both.answers[0]!.closed);
    both.answers[1]!.end('still here');
    const [piece] = (await once(other.setEncoding('utf8'), 'data')) as [string];
    expect(piece).toBe('still here');
    client.close();
    await once(client, 'close');
    await over(both);
  });
});
