import { requestText } from '../harness/client.ts';
import { http1Origin, rawOrigin } from '../harness/origin.ts';
import { inputsOf, startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

const route = (header: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r }
spec:
  parentRefs: [{ kind: Service, name: web }]
  rules:
    - backendRefs: [{ name: web, port: 80 }]
      filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier: { set: [{ name: x-rule, value: "${header}" }] }
`;

/** Clients that ask again and again until told to stop; gives how often, and fails on the first that is not 200. */
function hammer(sidecar: TestSidecar, clients: number): { stop(): Promise<number> } {
  let going = true;
  const each = Array.from({ length: clients }, async (_, i) => {
    await using client = await sidecar.client();
    let asked = 0;
    while (going) {
      const body = i % 2 === 0 ? undefined : 'x'.repeat(5000);
      await client.send(requestText(body === undefined ? {} : { method: 'POST', body }));
      const answer = await client.response();
      if (answer.status !== 200 || !answer.complete) throw new Error(`${answer.status}: ${answer.body}`);
      asked++;
    }
    return asked;
  });
  const all = Promise.all(each);
  all.catch(() => undefined);
  return {
    async stop() {
      going = false;
      return (await all).reduce((sum, one) => sum + one, 0);
    },
  };
}

test('fifty changes of configuration under load cost no request', async () => {
  await using a = await http1Origin('hello');
  await using b = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [a.address] } });
  const load = hammer(sidecar, 16);
  for (let i = 1; i <= 50; i++) {
    const web = i % 3 === 0 ? [a.address, b.address] : i % 3 === 1 ? [b.address] : [a.address];
    await sidecar.apply({ services: { web }, yaml: route(`${i}`) });
    const seen = sidecar.records.length;
    await until('requests go on', () => sidecar.records.length > seen + 5);
  }
  expect(await load.stop()).toBeGreaterThan(200);
  expect(sidecar.records.filter(({ status }) => status !== 200)).toEqual([]);
  expect(sidecar.dataPlane.snapshot.current.revision).toBe(51);
});

test('a request keeps the rule that it began with; the next one meets the new', async () => {
  const go = Promise.withResolvers<void>();
  await using origin = await http1Origin(async (_, res) => {
    await go.promise;
    res.end('hello');
  });
  const services = { web: [origin.address] };
  await using sidecar = await startTestSidecar({ services, yaml: route('old') });
  const first = sidecar.send();
  await until('it is under way', () => origin.requests.length === 1);
  await sidecar.apply({ services, yaml: route('new') });
  go.resolve();
  expect((await first).get('x-rule')).toBe('old');
  expect((await sidecar.send()).get('x-rule')).toBe('new');
});

test('a configuration with a problem is refused as a whole, and the last good one stays', async () => {
  await using origin = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, yaml: route('good') });
  // What came over the wire is not trusted to have the shape that the schema gives it.
  const key = { kind: 'HTTPRoute', namespace: 'default', name: 'bad' };
  const issues = await sidecar.dataPlane.accept({
    revision: 2,
    resources: new Map([['HTTPRoute default/bad', { key, version: '1', spec: { rules: 7 } }]]),
    endpoints: new Map([['default/web', new Map()]]),
    addresses: new Map(),
    absent: new Set(),
  });
  expect(issues.map(({ path }) => path).join()).toContain('HTTPRoute default/bad');
  expect(sidecar.dataPlane.snapshot.current.revision).toBe(1);
  const answer = await sidecar.send();
  expect([answer.body, answer.get('x-rule')]).toEqual(['hello', 'good']);
});

test.each(['request', 'response'])('a filter that throws on a %s fails that exchange and no other', async (what) => {
  await using origin = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  const inputs = await inputsOf({ services: { web: [origin.address] } }, 2);
  const change = { set: [{ name: 'x-a', value: 'a\r\nb: c' }], add: [], remove: [] };
  const filter =
    what === 'request'
      ? { type: 'RequestHeaderModifier', requestHeaderModifier: change }
      : { type: 'ResponseHeaderModifier', responseHeaderModifier: change };
  // Such a value is refused where it is written; that the wire has it, too, is not to be relied on.
  const spec = {
    parentRefs: [{ name: 'web' }],
    hostnames: [],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/bad' }, headers: [], queryParams: [] }],
        filters: [filter],
        backendRefs: [{ name: 'web', port: 80, weight: 1 }],
      },
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' }, headers: [], queryParams: [] }],
        filters: [],
        backendRefs: [{ name: 'web', port: 80, weight: 1 }],
      },
    ],
  };
  const key = { kind: 'HTTPRoute', namespace: 'default', name: 'bad' };
  const resources = new Map([['HTTPRoute default/bad', { key, version: '1', spec }]]);
  expect(await sidecar.dataPlane.accept({ ...inputs, resources })).toEqual([]);
  await using client = await sidecar.client();
  await client.send(requestText({ target: '/bad' }));
  const answer = await client.response();
  expect([answer.status, answer.get('weft-error'), answer.get('b')]).toEqual([500, 'FILTER_FAILED', undefined]);
  await client.send(requestText({ target: '/' }));
  expect((await client.response()).body).toBe('hello');
});

test('an endpoint that leaves while it is busy finishes what it has, and gets no more', async () => {
  const go = Promise.withResolvers<void>();
  await using leaving = await http1Origin(async (req, res) => {
    res.write('half ');
    await go.promise;
    res.end(`done ${req.url}`);
  });
  await using staying = await http1Origin('stays');
  await using sidecar = await startTestSidecar({ services: { web: [leaving.address] } });
  const busy = sidecar.send({ target: '/slow' });
  await until('it is under way', () => leaving.requests.length === 1);
  await sidecar.apply({ services: { web: [staying.address] } });
  expect((await sidecar.send()).body).toBe('stays');
  go.resolve();
  expect((await busy).body).toBe('half done /slow');
  await until('its connection is closed', () => leaving.open === 0);
  expect(leaving.requests).toHaveLength(1);
});

test('an endpoint that stays keeps its connections through changes', async () => {
  await using origin = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  for (let i = 0; i < 5; i++) {
    await sidecar.send();
    await sidecar.apply({ services: { web: [origin.address] }, yaml: route(`${i}`) });
  }
  expect(origin.connections).toBe(1);
});

describe('draining', () => {
  test('finishes what is under way, says close, and takes nothing new', async () => {
    const go = Promise.withResolvers<void>();
    await using origin = await http1Origin({
      '/slow': async (_, res) => {
        await go.promise;
        res.end('slow');
      },
      '/fast': 'fast',
    });
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using idle = await sidecar.client();
    await idle.send(requestText({ target: '/fast' }));
    await idle.response();
    await using busy = await sidecar.client();
    // The second one has come, too: it was asked before the end was told.
    await busy.send(requestText({ target: '/slow' }));
    await until('it is under way', () => origin.requests.length === 2);
    await using typing = await sidecar.client();
    await typing.send('GET /fast HT');
    await until('all are there', () => sidecar.dataPlane.outbound.connections === 3);
    const drained = sidecar.dataPlane.drain(10_000);
    await idle.over();
    await typing.send('TP/1.1\r\nHost: web\r\n\r\n');
    const typed = await typing.response();
    expect([typed.body, typed.get('connection')]).toEqual(['fast', 'close']);
    await expect(sidecar.client()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    go.resolve();
    const answer = await busy.response();
    expect([answer.body, answer.get('connection')]).toEqual(['slow', 'close']);
    await Promise.all([busy.over(), typing.over()]);
    await drained;
  });

  test('loses no request of clients that keep to what they are told', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    let answered = 0;
    const clients = Array.from({ length: 8 }, async () => {
      await using client = await sidecar.client();
      for (;;) {
        await client.send(requestText());
        const answer = await client.response();
        expect(answer).toMatchObject({ status: 200, body: 'hello' });
        answered++;
        if (answer.get('connection') === 'close') return;
      }
    });
    await until('they are busy', () => answered > 50);
    await Promise.all([sidecar.dataPlane.drain(10_000), ...clients]);
    expect(sidecar.dataPlane.outbound.connections).toBe(0);
  });

  test('does not wait longer than it may', async () => {
    await using origin = await rawOrigin(async (peer) => void (await peer.head()));
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using client = await sidecar.client();
    await client.send(requestText());
    await until('it is under way', () => sidecar.underWay === 1);
    await sidecar.dataPlane.drain(30);
  });
});

test('nothing is left open behind a sidecar that is closed, whatever it was in the middle of', async () => {
  const kinds = ['TCPSocketWrap', 'TCPServerWrap', 'PipeWrap', 'Timeout'];
  const open = (): number => process.getActiveResourcesInfo().filter((kind) => kinds.includes(kind)).length;
  const before = open();
  {
    await using origin = await rawOrigin(async (peer) => void (await peer.head()));
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, app: origin.address });
    const clients = await Promise.all(Array.from({ length: 8 }, () => sidecar.client()));
    for (const [i, client] of clients.entries())
      await client.send(['', 'GET /', requestText(), requestText({ fields: ['content-length: 9'] })][i % 4]!);
    await until('four are with the service', () => origin.peers.length === 4);
    await sidecar.dataPlane.close();
    for (const client of clients) await client.over();
    for (const client of clients) await client[Symbol.asyncDispose]();
  }
  await until('all is closed', () => open() <= before);
});
