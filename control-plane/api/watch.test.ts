import { once } from 'node:events';
import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { manualClock } from '../../lib/clock.ts';
import { watchEventSchemas } from '../../proto/api/api.ts';
import { service } from '../admit/examples.ts';
import { endpoint, proxy, startTestApi, type TestApi } from './test-api.ts';

const clock = manualClock();
let at: TestApi;
beforeEach(async () => {
  at = await startTestApi({ clock });
});
afterEach(async () => {
  const closed = at.close();
  clock.advance(2000);
  await closed;
  expect(at.watchers()).toBe(0);
});

/** A reader of events; `next` resolves with the next one, a heartbeat counting as one without a name. */
async function watch(port: number) {
  let request!: ClientRequest;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request = get({ port, path: '/v1/watch', agent: false }, resolve).on('error', reject);
  });
  response.setEncoding('utf8');
  let text = '';
  const over = new AbortController();
  response.on('error', () => over.abort());
  const ended = new Promise<void>((resolve) => response.once('close', resolve));
  return {
    response,
    ended,
    stop: () => request.destroy(),
    async next(): Promise<{ event: string; data: unknown }> {
      for (;;) {
        const at = text.indexOf('\n\n');
        if (at >= 0) {
          const block = text.slice(0, at);
          text = text.slice(at + 2);
          const event = /^event: (\w+)$/m.exec(block)?.[1] ?? '';
          return { event, data: event === '' ? block : JSON.parse(/^data: (.*)$/m.exec(block)![1]!) };
        }
        const [chunk] = (await once(response, 'data', { signal: over.signal })) as [string];
        text += chunk;
      }
    },
  };
}

test('a reader is told where it starts, then each revision, service and sidecar that changes', async () => {
  await at.post('/v1/apply', { resources: [service('web')] });
  const reader = await watch(at.port);
  expect(reader.response.headers['content-type']).toBe('text/event-stream');
  expect(await reader.next()).toEqual({ event: 'hello', data: { revision: 1 } });

  await at.post('/v1/apply', { resources: [service('cart')], message: 'more', author: 'ann' });
  const revision = await reader.next();
  expect(revision.event).toBe('revision');
  expect(watchEventSchemas.revision.parse(revision.data)).toMatchObject({
    revision: 2,
    author: 'ann',
    keys: [{ kind: 'Service', namespace: 'default', name: 'cart' }],
  });

  at.addEndpoint('default/cart', endpoint('cart-1', 9000));
  const changed = await reader.next();
  expect(changed).toEqual({ event: 'service', data: { namespace: 'default', name: 'cart', endpoints: 1 } });

  at.addProxy(proxy('cart-1', ''));
  const first = await reader.next();
  expect(watchEventSchemas.proxy.parse(first.data).instance).toBe('cart-1');
  // Only the one that changed is told.
  at.addProxy(proxy('cart-2', ''));
  expect((await reader.next()).data).toMatchObject({ instance: 'cart-2' });
  reader.stop();
});

test('a quiet stream is kept alive', async () => {
  const reader = await watch(at.port);
  await reader.next();
  clock.advance(15_000);
  expect(await reader.next()).toMatchObject({ event: '', data: ': still here' });
  clock.advance(15_000);
  expect(await reader.next()).toMatchObject({ event: '' });
  reader.stop();
});

test('all readers hear the same, and one that leaves does not disturb the others', async () => {
  const [one, two] = [await watch(at.port), await watch(at.port)];
  await one.next();
  await two.next();
  one.stop();
  await one.ended;
  await at.post('/v1/apply', { resources: [service('web')] });
  expect((await two.next()).event).toBe('revision');
  two.stop();
});

test('a reader that does not read is cut off, while the others go on', async () => {
  const quick = await watch(at.port);
  await quick.next();
  const slow = connect(at.port, '127.0.0.1');
  slow.write('GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await new Promise<void>((resolve) => slow.once('data', () => resolve()));
  slow.pause();
  const gone = new Promise<void>((resolve) => slow.once('close', () => resolve()));
  slow.on('error', () => undefined);

  // Far more than the buffers of any kernel take.
  const most = 2000;
  const name = 'n'.repeat(30_000);
  let told = 0;
  for (; at.api.readers() === 2 && told < most; told++) {
    at.addEndpoint(`${name}/${name}`, endpoint('x', 1));
    await quick.next();
  }
  expect(told).toBeLessThan(most);
  slow.resume();
  await gone;
  quick.stop();
});

test('closing the API ends the streams', async () => {
  const reader = await watch(at.port);
  await reader.next();
  await at.api.close();
  await reader.ended;
});
