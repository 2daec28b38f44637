import { manualClock } from '../../lib/clock.ts';
import { requestText, send } from '../harness/client.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { refusedAddress } from '../harness/refused.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const policy = (kind: string, spec: string): string => `
apiVersion: weft.dev/v1
kind: ${kind}
metadata: { name: p }
spec: { targetRefs: [{ kind: Service, name: web }], ${spec} }
`;
const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const oncePerConnection = (then: 'reset' | 'end') => async (peer: Parameters<Parameters<typeof rawOrigin>[0]>[0]) => {
  await peer.head();
  peer.write(ok);
  await peer.head();
  if (then === 'reset') peer.socket.resetAndDestroy();
  else peer.socket.end();
};

describe('a kept connection that the service closes just as it is used again', () => {
  test.each(['reset', 'end'] as const)('costs a GET nothing (%s)', async (then) => {
    await using origin = await rawOrigin(oncePerConnection(then));
    await using sidecar = await startTestSidecar({
      services: { web: [origin.address] },
      yaml: policy('RetryPolicy', 'retries: 0'),
    });
    expect((await sidecar.send()).body).toBe('ok');
    expect((await sidecar.send()).body).toBe('ok');
    expect(origin.peers).toHaveLength(2);
    expect(sidecar.records.map(({ attempts }) => attempts)).toEqual([1, 2]);
  });

  test('is told to a POST, which the service may have seen', async () => {
    await using origin = await rawOrigin(oncePerConnection('reset'));
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    expect((await sidecar.send()).body).toBe('ok');
    const answer = await sidecar.send({ method: 'POST', body: 'pay' });
    expect([answer.status, answer.get('weft-error')]).toEqual([502, 'UPSTREAM_RESET']);
    expect(origin.peers).toHaveLength(1);
  });

  test('costs a POST with an idempotency key nothing', async () => {
    await using origin = await rawOrigin(oncePerConnection('reset'));
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await sidecar.send();
    const answer = await sidecar.send({ method: 'POST', body: 'pay', fields: ['idempotency-key: 1'] });
    expect(answer.status).toBe(200);
    expect(origin.peers).toHaveLength(2);
  });

  test('costs a GET nothing on the last hop either', async () => {
    await using origin = await rawOrigin(oncePerConnection('end'));
    await using sidecar = await startTestSidecar({ app: origin.address });
    expect((await send(sidecar.inbound)).body).toBe('ok');
    expect((await send(sidecar.inbound)).body).toBe('ok');
    expect(origin.peers).toHaveLength(2);
  });
});

describe('retries', () => {
  test('an endpoint that refuses connections is passed over, also by a POST', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [await refusedAddress(), origin.address] } });
    for (let i = 0; i < 6; i++) expect((await sidecar.send({ method: 'POST', body: 'x' })).status).toBe(200);
    expect(origin.requests.map(({ body }) => body)).toEqual(Array(6).fill('x'));
  });

  test('a service that nobody runs is 503 after the attempts that the policy allows', async () => {
    await using sidecar = await startTestSidecar({ services: { web: [await refusedAddress()] } });
    const answer = await sidecar.send();
    expect([answer.status, answer.get('weft-error')]).toEqual([503, 'UPSTREAM_CONNECT']);
    expect(sidecar.records[0]).toMatchObject({ attempts: 3, code: 'UPSTREAM_CONNECT' });
  });

  test('a 503 is tried elsewhere when the policy says so; the last answer stands', async () => {
    await using sick = await http1Origin((_, res) => void res.writeHead(503, { 'x-who': 'sick' }).end('no'));
    await using well = await http1Origin('yes');
    const yaml = policy('RetryPolicy', 'retries: 1, on: [503], backoff: { base: 1ms, max: 2ms }');
    await using sidecar = await startTestSidecar({ services: { web: [sick.address, well.address] }, yaml });
    for (let i = 0; i < 4; i++) expect((await sidecar.send()).body).toBe('yes');
    expect((await sidecar.send({ method: 'POST', body: 'x' })).status).toBeLessThanOrEqual(503);
    await sidecar.apply({ services: { web: [sick.address] }, yaml });
    const answer = await sidecar.send();
    expect([answer.status, answer.body, answer.get('x-who'), answer.get('weft-error')]).toEqual([
      503,
      'no',
      'sick',
      undefined,
    ]);
    // The answers that were not wanted did not cost their connections.
    expect(sick.connections).toBeLessThanOrEqual(2);
  });

  test('a POST is repeated only with an idempotency key, with the whole of its body', async () => {
    let asked = 0;
    await using origin = await http1Origin((req, res) => {
      req.on('end', () => res.writeHead(++asked % 2 === 1 ? 503 : 200).end());
    });
    await using sidecar = await startTestSidecar({
      services: { web: [origin.address] },
      yaml: policy('RetryPolicy', 'retries: 1, on: [503], backoff: { base: 1ms, max: 2ms }'),
    });
    const body = 'b'.repeat(20_000);
    expect((await sidecar.send({ method: 'POST', body })).status).toBe(503);
    asked = 0;
    expect((await sidecar.send({ method: 'POST', body, fields: ['idempotency-key: 7'] })).status).toBe(200);
    expect(origin.requests.map((seen) => seen.body === body)).toEqual([true, true, true]);
  });

  test('a body that is no longer held is never sent again', async () => {
    await using origin = await http1Origin((req, res) => {
      req.on('end', () => res.writeHead(503).end());
    });
    await using sidecar = await startTestSidecar({
      services: { web: [origin.address] },
      yaml: policy('RetryPolicy', 'retries: 3, on: [503], bufferBytes: 1000'),
    });
    const ask = (length: number) => sidecar.send({ method: 'PUT', body: 'b'.repeat(length) });
    expect((await ask(200_000)).status).toBe(503);
    expect(origin.requests).toHaveLength(1);
    expect((await ask(1000)).status).toBe(503);
    expect(origin.requests).toHaveLength(5);
  });

  test('an answer that is not wanted and never ends does not keep its connection', async () => {
    const clock = manualClock();
    await using origin = await rawOrigin(async (peer) => {
      await peer.head();
      if (peer.number === 1) peer.write('HTTP/1.1 503 No\r\nContent-Length: 10\r\n\r\nhalf');
      else peer.write(ok);
    });
    await using sidecar = await startTestSidecar({
      services: { web: [origin.address] },
      yaml: policy('RetryPolicy', 'retries: 1, on: [503], backoff: { base: 1ms, max: 1ms }'),
      clock,
    });
    const answer = sidecar.send();
    await until('the first attempt has failed', () => origin.peers.length >= 1);
    await until('the second is made', () => {
      clock.advance(1);
      return origin.peers.length === 2;
    });
    expect((await answer).body).toBe('ok');
    clock.advance(5000);
    await origin.peers[0]!.octets.until('the close', (_, over) => over || undefined);
  });
});

describe('a service that dies', () => {
  test('before its head is a 502', async () => {
    await using origin = await rawOrigin(async (peer) => {
      await peer.head();
      peer.write('HTTP/1.1 200 OK\r\nconte');
      peer.socket.end();
    });
    await using sidecar = await startTestSidecar({
      services: { web: [origin.address] },
      yaml: policy('RetryPolicy', 'retries: 0'),
    });
    const answer = await sidecar.send();
    expect([answer.status, answer.get('weft-error')]).toEqual([502, 'UPSTREAM_RESET']);
    expect(origin.peers).toHaveLength(1);
  });

  test.each([
    ['with a length', 'Content-Length: 10\r\n\r\nhalf'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['in the middle of a chunk', 'Transfer-Encoding: chunked\r\n\r\na\r\nhalf'],
    ['before the last line', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n'],
    ['with chunks that are none', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n\r\n'],
  ])('in a body %s is never taken for a complete one', async (_, rest) => {
    await using origin = await rawOrigin(async (peer) => {
      await peer.head();
      peer.write(`HTTP/1.1 200 OK\r\n${rest}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      peer.socket.end();
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    await client.send(requestText());
    expect(await client.response()).toMatchObject({ status: 200, body: 'half', complete: false });
    await client.over();
    expect(sidecar.records[0]!.code).toMatch(/^UPSTREAM_(?:RESET|INVALID)$/);
  });
});

describe('timeouts', () => {
  const silent = () => rawOrigin(async (peer) => void (await peer.head()));

  test('of the whole request', async () => {
    await using origin = await silent();
    await using sidecar = await startTestSidecar({
      services: { web: [origin.address] },
      yaml: policy('TimeoutPolicy', 'request: 60ms'),
    });
    const answer = await sidecar.send();
    expect([answer.status, answer.get('weft-error')]).toEqual([504, 'REQUEST_DEADLINE']);
    expect(JSON.parse(answer.body)).toMatchObject({ policy: 'TimeoutPolicy default/p' });
    await origin.peers[0]!.octets.until('the close', (_, over) => over || undefined);
    expect(sidecar.records[0]!.detail).toMatch(/attempt 1, waiting for the answer of 127\.0\.0\.1:/);
  });

  test('of one attempt, after which another endpoint may answer', async () => {
    await using deaf = await silent();
    await using origin = await http1Origin('hello');
    const yaml = `${policy('TimeoutPolicy', 'attempt: 50ms')}---${policy('RetryPolicy', 'on: [attempt-timeout]')}`;
    await using sidecar = await startTestSidecar({ services: { web: [deaf.address, origin.address] }, yaml });
    for (let i = 0; i < 3; i++) expect((await sidecar.send()).body).toBe('hello');
    await sidecar.apply({ services: { web: [deaf.address] }, yaml: policy('TimeoutPolicy', 'attempt: 30ms') });
    expect((await sidecar.send()).get('weft-error')).toBe('ATTEMPT_TIMEOUT');
  });

  test('of an app that does not answer', async () => {
    await using origin = await silent();
    await using sidecar = await startTestSidecar({ app: origin.address, appTimeoutMs: 50 });
    expect((await send(sidecar.inbound)).get('weft-error')).toBe('REQUEST_DEADLINE');
  });

  test('of an answer in which nothing moves', async () => {
    await using origin = await rawOrigin(async (peer) => {
      await peer.head();
      peer.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    });
    await using sidecar = await startTestSidecar({
      services: { web: [origin.address] },
      yaml: policy('TimeoutPolicy', 'idle: 60ms'),
    });
    expect(await sidecar.send()).toMatchObject({ status: 200, body: 'half', complete: false });
    expect(sidecar.records[0]!.code).toBe('STREAM_IDLE');
  });
});

test('a request that waits for a connection when its endpoint goes is still served', async () => {
  await using origin = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  const answers = Array.from({ length: 8 }, () => sidecar.send());
  await until('they are under way', () => sidecar.underWay > 0);
  await sidecar.apply({ services: {} });
  for (const answer of await Promise.all(answers)) expect([200, 404]).toContain(answer.status);
  expect(sidecar.records.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
});
