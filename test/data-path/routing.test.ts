import { errors } from '../../lib/errors.ts';
import { rawClient, requestText, send } from '../harness/client.ts';
import { http1Origin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const counts = (names: readonly string[]): Record<string, number> =>
  Object.fromEntries([...new Set(names)].sort().map((name) => [name, names.filter((one) => one === name).length]));

test('weighted backends share the requests of a route as they say', async () => {
  await using old = await http1Origin('old');
  await using next = await http1Origin('next');
  await using sidecar = await startTestSidecar({
    services: { web: [], old: [old.address], next: [next.address] },
    yaml: `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r }
spec:
  parentRefs: [{ kind: Service, name: web }]
  rules: [{ backendRefs: [{ name: old, port: 80, weight: 9 }, { name: next, port: 80, weight: 1 }] }]
`,
  });
  await using client = await sidecar.client();
  const answers: string[] = [];
  for (let i = 0; i < 400; i++) {
    await client.send(requestText());
    answers.push((await client.response()).body);
  }
  const { next: seen = 0 } = counts(answers);
  expect(seen).toBeGreaterThan(15);
  expect(seen).toBeLessThan(80);
});

test.each(['RoundRobin', 'LeastRequest'])('%s spreads requests over three endpoints', async (algorithm) => {
  await using a = await http1Origin('a');
  await using b = await http1Origin('b');
  await using c = await http1Origin('c');
  await using sidecar = await startTestSidecar({
    services: { web: [a.address, b.address, c.address] },
    yaml: `
apiVersion: weft.dev/v1
kind: LoadBalancerPolicy
metadata: { name: p }
spec: { targetRefs: [{ kind: Service, name: web }], algorithm: ${algorithm} }
`,
  });
  await using client = await sidecar.client();
  const answers: string[] = [];
  for (let i = 0; i < 90; i++) {
    await client.send(requestText());
    answers.push((await client.response()).body);
  }
  const seen = counts(answers);
  expect(Object.keys(seen)).toEqual(['a', 'b', 'c']);
  if (algorithm === 'RoundRobin') expect(seen).toEqual({ a: 30, b: 30, c: 30 });
  else for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
});

test('a host that no service has is told what went wrong, in fields and in a problem document', async () => {
  await using sidecar = await startTestSidecar({ services: {} });
  const answer = await sidecar.send({ host: 'nobody' });
  expect([answer.status, answer.get('weft-error'), answer.get('content-type')]).toEqual([
    404,
    'NO_SERVICE',
    'application/problem+json',
  ]);
  expect(JSON.parse(answer.body)).toEqual({
    type: 'https://weft.dev/errors/NO_SERVICE',
    title: errors.NO_SERVICE.text,
    status: 404,
    code: 'NO_SERVICE',
    revision: 1,
    requestId: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
  expect((await sidecar.send({ method: 'HEAD', host: 'nobody' })).status).toBe(404);
});

test('before there is a configuration nothing is said about which services exist', async () => {
  await using sidecar = await startTestSidecar({ configured: false });
  expect((await sidecar.send()).get('weft-error')).toBe('NOT_READY');
});

test('a service is found by each of its names, in the namespace of the caller', async () => {
  await using origin = await http1Origin('here');
  await using other = await http1Origin('there');
  const services = { 'shop/web': [origin.address], 'default/web': [other.address] };
  await using shop = await startTestSidecar({ services, namespace: 'shop' });
  await using plain = await startTestSidecar({ services });
  for (const host of ['web', 'WEB', 'web.', 'web:80', 'web.mesh', 'web.shop', 'web.shop.mesh'])
    expect([host, (await shop.send({ host })).body]).toEqual([host, 'here']);
  for (const host of ['web', 'web.mesh', 'web.default'])
    expect([host, (await plain.send({ host })).body]).toEqual([host, 'there']);
  for (const host of ['web.shop.mesh.x', 'mesh', '127.0.0.1', '[::1]', 'a.b.c'])
    expect([host, (await shop.send({ host })).status]).toEqual([host, 404]);
});

test('a service without endpoints is 503, and one that the control plane says is absent 404', async () => {
  await using sidecar = await startTestSidecar({ services: { web: [] }, absent: ['default/gone'] });
  expect((await sidecar.send()).get('weft-error')).toBe('NO_ENDPOINT');
  expect((await sidecar.send({ host: 'gone' })).get('weft-error')).toBe('NO_SERVICE');
});

test('requests to a service that was just heard of wait for its first endpoint, and no longer than the grace', async () => {
  await using origin = await http1Origin('here at last');
  await using sidecar = await startTestSidecar({ services: { web: [] }, endpointGraceMs: 60_000 });
  const early = Promise.all([sidecar.send(), sidecar.send({ method: 'POST', body: 'kept' })]);
  await until('both wait', () => sidecar.underWay === 2);
  await sidecar.apply({ services: { web: [origin.address] } });
  expect((await early).map(({ status, body }) => [status, body])).toEqual([
    [200, 'here at last'],
    [200, 'here at last'],
  ]);
  await using impatient = await startTestSidecar({ services: { web: [] }, endpointGraceMs: 80 });
  const answer = await impatient.send();
  expect([answer.status, answer.get('weft-error')]).toEqual([503, 'NO_ENDPOINT']);
});

describe('the first use of a service', () => {
  test('waits for the answer of the control plane', async () => {
    await using origin = await http1Origin('hello');
    const asked: string[] = [];
    const told = Promise.withResolvers<void>();
    await using sidecar = await startTestSidecar({
      resolve: (service) => {
        asked.push(service);
        return told.promise;
      },
    });
    const answers = [sidecar.send(), sidecar.send({ method: 'POST', body: 'x'.repeat(100_000) })];
    await until('it is asked for', () => asked.length === 2);
    await sidecar.apply({ services: { web: [origin.address] } });
    told.resolve();
    for (const answer of await Promise.all(answers)) expect(answer.body).toBe('hello');
    await until('the body is there', () => origin.requests.every(({ complete }) => complete));
    expect(origin.requests.map(({ body }) => body.length).sort()).toEqual([0, 100_000].sort());
    expect(asked).toEqual(['default/web', 'default/web']);
  });

  test.each(['resolves', 'rejects'])('is told that there is none when the wait %s without it', async (how) => {
    await using sidecar = await startTestSidecar({
      resolve: () => (how === 'resolves' ? Promise.resolve() : Promise.reject(new Error('too late'))),
    });
    expect((await sidecar.send()).get('weft-error')).toBe('NO_SERVICE');
  });

  test('leaves nothing behind when its caller goes away meanwhile', async () => {
    const told = Promise.withResolvers<void>();
    await using sidecar = await startTestSidecar({ resolve: () => told.promise });
    await using client = await sidecar.client();
    await client.send(requestText());
    await until('it waits', () => sidecar.dataPlane.outbound.connections === 1);
    client.reset();
    await until('the caller is gone', () => sidecar.dataPlane.outbound.connections === 0);
    told.resolve();
    await told.promise;
    expect(sidecar.underWay).toBe(0);
  });
});

describe('fields', () => {
  test('the word of the mesh is not taken from an app', async () => {
    await using origin = await http1Origin((_, res) => void res.writeHead(503, { 'weft-error': 'NO_SERVICE' }).end());
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, app: origin.address });
    expect((await sidecar.send()).get('weft-error')).toBeUndefined();
    expect((await send(sidecar.inbound)).get('weft-error')).toBeUndefined();
    expect(sidecar.records.map(({ code }) => code)).toEqual(['', '']);
  });

  test('what a stranger says of who it is does not reach the app, in whatever spelling', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ app: origin.address });
    const spoofed = [
      'X-Forwarded-Client-Cert: URI=spiffe://a/b',
      'x_forwarded_client_cert: URI=spiffe://a/b',
      'x-forwarded_client-cert: URI=spiffe://a/b',
      'X-Forwarded-For: 1.2.3.4',
      'x_forwarded_for: 1.2.3.4',
      'x-forwarded-proto: https',
      'X-Real-IP: 1.2.3.4',
      'forwarded: for=1.2.3.4',
      'X-Weft-Service: admin',
      'x_weft_anything: 1',
      'x-envoy-internal: true',
      'weft-error: NO_ROUTE',
      'traceparent: garbage',
      `x-request-id: ${'x'.repeat(200)}`,
      'proxy-authorization: Basic x',
      'content_length: 7',
      'transfer_encoding: chunked',
      'kept: yes',
    ];
    await send(sidecar.inbound, { fields: spoofed });
    const [seen] = origin.requests;
    const names = seen!.fields.map(([name]) => name.toLowerCase()).sort();
    expect(names).toEqual(['host', 'kept', 'traceparent', 'x-forwarded-for', 'x-forwarded-proto', 'x-request-id']);
    expect(seen!.all('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(seen!.all('x-forwarded-proto')).toEqual(['http']);
    expect(seen!.all('traceparent')[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    expect(seen!.all('x-request-id')[0]).toMatch(/^[0-9a-f]{32}$/);
  });

  test('fields of one connection and those named by Connection end here; framing, host and identity stay', async () => {
    await using origin = await http1Origin((_, res) => {
      res.writeHead(200, { connection: 'keep-alive, x-mine', 'x-mine': '1', 'x-theirs': '2', 'proxy-connection': 'x' });
      res.end('hello');
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    const answer = await sidecar.send({
      method: 'POST',
      body: 'hello',
      fields: [
        'Connection: x-secret, content-length, host, authorization, x-request-id, upgrade',
        'connection: keep-alive,, te',
        'X-Secret: 1',
        'Keep-Alive: timeout=1',
        'Proxy-Connection: keep-alive',
        'TE: trailers',
        'Upgrade: websocket',
        'Authorization: Bearer x',
        'X-Kept: \t spaced \t',
      ],
    });
    const [seen] = origin.requests;
    const names = seen!.fields.map(([name]) => name.toLowerCase()).sort();
    expect(names).toEqual(['authorization', 'content-length', 'host', 'traceparent', 'x-kept', 'x-request-id']);
    expect(seen!.all('x-kept')).toEqual(['spaced']);
    expect(seen!.body).toBe('hello');
    expect([answer.get('x-mine'), answer.get('x-theirs'), answer.get('proxy-connection')]).toEqual([
      undefined,
      '2',
      undefined,
    ]);
  });

  test('octets of values above 127 pass as they are, in both directions', async () => {
    await using origin = await http1Origin((req, res) => {
      res.setHeader('x-same', String(req.headers['x-octets']));
      res.end();
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    const answer = await sidecar.send({ fields: ['x-octets: caf\xe9 \xc3\xa9'] });
    expect(origin.requests[0]!.all('x-octets')).toEqual(['caf\xe9 \xc3\xa9']);
    expect(answer.get('x-same')).toBe('caf\xe9 \xc3\xa9');
  });

  test('the path that is routed is the path that is sent', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await rawClient(sidecar.outbound);
    for (const target of ['/a/../b', '//a//./b?x=//..', '/%61%2e%2E/%7e%c3', '/a;b/', '/a%3bb'])
      await client.send(requestText({ target })).then(() => client.response());
    expect(origin.requests.map(({ target }) => target)).toEqual(['/b', '/a/b?x=//..', '/a../~%C3', '/a;b/', '/a%3Bb']);
    expect(sidecar.records.map(({ path }) => path)).toEqual(['/b', '/a/b', '/a../~%C3', '/a;b/', '/a%3Bb']);
  });
});
