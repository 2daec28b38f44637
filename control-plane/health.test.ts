import { once } from 'node:events';
import { ChannelCredentials, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { manualClock } from '../lib/clock.ts';
import { healthProto } from '../proto/load.ts';
import { bindGrpc } from './grpc.ts';
import { type HealthService, healthService } from './health.ts';

const clock = manualClock();
let healthy: boolean;
let health: HealthService;
let server: Server;
let client: InstanceType<ReturnType<typeof healthProto>['Health']>;

beforeEach(async () => {
  healthy = true;
  health = healthService({ services: ['weft.v1.Discovery'], healthy: () => healthy, clock });
  server = new Server();
  server.addService(health.definition, health.handlers);
  const at = await bindGrpc(server, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
  client = new (healthProto().Health)(`127.0.0.1:${'port' in at ? at.port : 0}`, ChannelCredentials.createInsecure());
});
afterEach(() => {
  client.close();
  health.close();
  server.forceShutdown();
});

const check = (service: string): Promise<string> =>
  new Promise((resolve) => {
    client.Check({ service }, (error, reply) => resolve(error === null ? reply!.status : (status[error.code] ?? '')));
  });

/** A call of Watch. `next`: the status that it says next. */
function watch(service = '') {
  const call = client.Watch({ service });
  const said: string[] = [];
  let heard = (): void => {};
  call.on('data', ({ status }: { status: string }) => {
    said.push(status);
    heard();
  });
  const failed = new Promise<number>((resolve) => call.on('error', ({ code }: ServiceError) => resolve(code)));
  const next = async (): Promise<string> => {
    if (said.length === 0)
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    return said.shift()!;
  };
  return { call, next, failed };
}

test('the whole and each service are served while the store can be reached', async () => {
  expect([await check(''), await check('weft.v1.Discovery')]).toEqual(['SERVING', 'SERVING']);
  healthy = false;
  expect([await check(''), await check('weft.v1.Discovery')]).toEqual(['NOT_SERVING', 'NOT_SERVING']);
});

test('a service that is not here is not found', async () => {
  expect(await check('weft.v1.Nothing')).toBe('NOT_FOUND');
});

test('who watches is told the status now, and each change', async () => {
  const { call, next, failed } = watch('weft.v1.Discovery');
  expect(await next()).toBe('SERVING');
  healthy = false;
  clock.advance(1000);
  expect(await next()).toBe('NOT_SERVING');
  clock.advance(5000);
  healthy = true;
  clock.advance(1000);
  expect(await next()).toBe('SERVING');
  call.cancel();
  expect(await failed).toBe(status.CANCELLED);
});

test('a service that is not here is unknown to who watches it, and the call goes on', async () => {
  const { call, next } = watch('weft.v1.Nothing');
  expect(await next()).toBe('SERVICE_UNKNOWN');
  call.cancel();
});

test('who watches a server that stops is told, and the call ends', async () => {
  const { call, next } = watch();
  expect(await next()).toBe('SERVING');
  const ended = once(call, 'end');
  health.close();
  expect(await next()).toBe('NOT_SERVING');
  await ended;
});

test('no more than a hundred watch, and who goes away makes room', async () => {
  const watchers = Array.from({ length: 100 }, () => watch());
  for (const one of watchers) await one.next();
  expect(await watch().failed).toBe(status.RESOURCE_EXHAUSTED);
  for (const { call, failed } of watchers) {
    call.cancel();
    await failed;
  }
  // The server hears of a cancelled call a moment later than its client.
  for (;;) {
    const { call, next, failed } = watch();
    const said = await Promise.race([next(), failed]);
    call.cancel();
    if (said === 'SERVING') break;
  }
});
