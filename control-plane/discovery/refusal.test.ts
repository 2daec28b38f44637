import { connect } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { manualClock } from '../../lib/clock.ts';
import type { FromSidecar } from '../../proto/gen/weft/v1/FromSidecar.ts';
import type { Hello } from '../../proto/gen/weft/v1/Hello.ts';
import { aService } from '../../test/harness/discovery-fixtures.ts';
import { type DiscoveryServer, startDiscoveryServer } from '../../test/harness/discovery-server.ts';
import { rawSidecar } from '../../test/harness/raw-sidecar.ts';
import { until } from '../../test/harness/until.ts';

const clock = manualClock();
let mesh: DiscoveryServer;
const opened: { close(): void }[] = [];
const start = async (options: Parameters<typeof startDiscoveryServer>[0] = {}) => {
  mesh = await startDiscoveryServer({ clock, ...options });
};
afterEach(async () => {
  for (const each of opened.splice(0)) each.close();
  await mesh.close();
});

const names = (...services: string[]) => services.map((name) => ({ namespace: 'default', name }));

function sidecar(service: string) {
  const raw = rawSidecar(mesh, service);
  opened.push(raw.client);
  return raw;
}
describe('a stream that should not be is ended with a reason', () => {
  beforeEach(() => start());
  const many = names(...Array.from({ length: 1001 }, (_, i) => `s${i}`));

  test.each<[string, FromSidecar, number, RegExp]>([
    ['Hello for another service', { hello: { service: names('cart')[0]! } }, status.PERMISSION_DENIED, /web/],
    ['Hello for no service', { hello: {} }, status.PERMISSION_DENIED, /web/],
    ['no Hello', { ack: { nonce: 1 } }, status.INVALID_ARGUMENT, /first message/],
    ['an instance with spaces', { hello: { instance: 'a b' } }, status.INVALID_ARGUMENT, /instance/],
    ['an instance of 1 MB', { hello: { instance: 'x'.repeat(1e6) } }, status.INVALID_ARGUMENT, /instance/],
    ['a message of 5 MB', { hello: { instance: 'x'.repeat(5e6) } }, status.RESOURCE_EXHAUSTED, /larger/],
    ['an address that is none', { hello: { inboundAddress: 'x', inboundPort: 1 } }, status.INVALID_ARGUMENT, /inbound/],
    ['a port that is none', { hello: { inboundPort: 70_000 } }, status.INVALID_ARGUMENT, /port/],
    ['too many subscriptions', { hello: { subscriptions: many } }, status.INVALID_ARGUMENT, /at most 1000/],
    ['a name that is none', { hello: { subscriptions: names('../x') } }, status.INVALID_ARGUMENT, /DNS label/],
  ])('%s', async (_name, message, code, reason) => {
    const web = sidecar('web');
    web.listen();
    if (message.hello && !('service' in message.hello) && Object.keys(message.hello).length > 0)
      web.hello(message.hello);
    else web.call.write(message);
    expect(await web.over()).toMatchObject({ code, details: expect.stringMatching(reason) });
    expect(mesh.service.proxies()).toEqual([]);
    expect(mesh.registry.services()).toEqual([]);
  });

  test('a second Hello', async () => {
    const web = sidecar('web').hello().hello({}, true);
    expect(await web.over()).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringMatching(/once/) });
  });

  test('no word for 10 s', async () => {
    const web = sidecar('web');
    web.listen();
    web.call.write({});
    await until('the stream is there', () => {
      clock.advance(10_000);
      return web.call.destroyed || web.call.readableEnded;
    });
    expect((await web.over()).code).toBe(status.INVALID_ARGUMENT);
  });

  test('octets that are no message end their stream and no other', async () => {
    const web = sidecar('web').hello();
    await web.ack();
    const session = connect(`http://127.0.0.1:${mesh.port}`);
    opened.push({ close: () => session.destroy() });
    const stream = session.request({
      ':method': 'POST',
      ':path': '/weft.v1.Discovery/Stream',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const trailers = new Promise<Record<string, unknown>>((resolve) => {
      stream.on('response', (headers) => 'grpc-status' in headers && resolve(headers));
      stream.on('trailers', resolve);
    });
    stream.write(Buffer.from([0, 0, 0, 0, 4, 0x0a, 0xff, 0xff, 0xff]));
    expect(Number((await trailers)['grpc-status'])).toBe(status.INTERNAL);
    await mesh.apply(aService('web'));
    expect((await web.next()).revision).toBe(1);
  });
});

test('who has no identity gets nothing', async () => {
  await start({
    identify: () => {
      throw new Error('no certificate');
    },
  });
  expect((await sidecar('web').hello().over()).code).toBe(status.UNAUTHENTICATED);
});

describe('limits', () => {
  const outcome = async (limits: object, second: Partial<Hello> = { instance: 'web-2' }) => {
    await start({ limits });
    await sidecar('web').hello().ack();
    return sidecar('web').hello(second).over();
  };
  const exhausted = (reason: RegExp) => ({ code: status.RESOURCE_EXHAUSTED, details: expect.stringMatching(reason) });

  test('streams of one identity', async () => {
    expect(await outcome({ streamsPerIdentity: 1 })).toMatchObject(exhausted(/service default\/web/));
  });
  test('sidecars in all', async () => {
    expect(await outcome({ sidecars: 1 })).toMatchObject(exhausted(/serves 1 sidecars/));
  });
  test('connections at once', async () => {
    expect(await outcome({ connectsPerSecond: 1, connectBurst: 1 })).toMatchObject(exhausted(/at once/));
    clock.advance(1000);
    await sidecar('web').hello().ack();
  });
  test('messages on one stream', async () => {
    await start({ limits: { messagesPerSecond: 1, messageBurst: 10 } });
    const web = sidecar('web').hello();
    for (let i = 0; i < 10; i++) web.call.write({ subscribe: { services: names(`s${i}`) } });
    expect(await web.over()).toMatchObject(exhausted(/messages/));
  });
});
