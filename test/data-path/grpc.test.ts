// gRPC with a real client and a real server, through one sidecar (h2c to the app) and through two (mutual TLS between).
import { compressionAlgorithms, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { manualClock } from '../../lib/clock.ts';
import { type AppCall, grpcCaller, grpcOrigin } from '../harness/grpc.ts';
import { ways } from '../harness/grpc-ways.ts';
import { until } from '../harness/until.ts';

/** Says each message back in capitals, and ends when the caller does. */
const echo = (call: AppCall): void => {
  call.on('data', (message: string) => call.write(message.toUpperCase()));
  call.on('end', () => call.end());
};
const failing =
  (code: number, details = '') =>
  (call: AppCall): void =>
    void call.emit('error', { code, details });
const fields = (pairs: Record<string, string | Buffer>): Metadata => {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(pairs)) metadata.set(name, value);
  return metadata;
};
const cancelled = (call: AppCall): Promise<unknown> =>
  call.cancelled ? Promise.resolve() : new Promise((resolve) => call.on('cancelled', resolve));

describe.each(ways)('through %s', (_, start) => {
  test('a call brings its message and metadata there and back, octets included', async () => {
    await using app = await grpcOrigin((call) => {
      call.sendMetadata(fields({ 'x-head': 'first', 'x-raw-bin': call.metadata.get('x-raw-bin')[0]! }));
      call.on('data', (message: string) => call.write(`hello ${message}`));
      call.on('end', () => call.end(fields({ 'x-tail': 'last', 'x-tail-bin': Buffer.from([0, 255, 13, 10]) })));
    });
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const raw = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));
    const call = client.call(fields({ 'x-raw-bin': raw, 'x-plain': 'a b' }));
    call.say('world');
    call.end();
    expect(await call.rest()).toEqual(['hello world']);
    const head = await call.head;
    expect([head.get('x-head'), head.get('x-raw-bin')]).toEqual([['first'], [raw]]);
    const { code, metadata } = await call.status;
    expect([code, metadata.get('x-tail'), metadata.get('x-tail-bin')]).toEqual([
      0,
      ['last'],
      [Buffer.from([0, 255, 13, 10])],
    ]);
    expect(app.calls[0]!.metadata.get('x-plain')).toEqual(['a b']);
    await until('the call is accounted for', () => way.last.records.length === 1);
    expect(way.caller.records[0]).toMatchObject({ protocol: 'HTTP/2', status: 200, grpcStatus: 0, code: '' });
    expect(way.last.records[0]).toMatchObject({ status: 200, grpcStatus: 0 });
  });

  test('messages go each way as they are said: nothing waits for the next one', async () => {
    await using app = await grpcOrigin(echo);
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const call = client.call();
    for (const word of ['one', 'two', 'three']) {
      call.say(word);
      expect(await call.next()).toBe(word.toUpperCase());
    }
    call.end();
    expect(await call.rest()).toEqual([]);
    expect((await call.status).code).toBe(0);
  });

  test('the app may speak first, and go on when the caller has said all', async () => {
    let more = (): void => undefined;
    await using app = await grpcOrigin((call) => {
      call.write('welcome');
      call.on('data', () => undefined);
      call.on('end', () => {
        call.write('so you are done');
        more = () => {
          for (let i = 0; i < 1000; i++) call.write(String(i));
          call.end();
        };
      });
    });
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const call = client.call();
    expect(await call.next()).toBe('welcome');
    call.end();
    expect(await call.next()).toBe('so you are done');
    more();
    expect(await call.rest()).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)));
  });

  test('many messages of the caller become one answer', async () => {
    await using app = await grpcOrigin((call) => {
      let sum = 0;
      call.on('data', (message: string) => {
        sum += Number(message);
      });
      call.on('end', () => {
        call.write(String(sum));
        call.end();
      });
    });
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const call = client.call();
    for (let i = 1; i <= 1000; i++) call.say(String(i));
    call.end();
    expect(await call.rest()).toEqual(['500500']);
  });

  test('messages of 4 MiB pass whole', async () => {
    await using app = await grpcOrigin(echo);
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const large = 'abcdefgh'.repeat(512 * 1024);
    const answers = await Promise.all([client.ask(large), client.ask(`${large}x`)]);
    expect(answers).toEqual([large.toUpperCase(), `${large}x`.toUpperCase()]);
  });

  test('a hundred calls at once do not mix', async () => {
    await using app = await grpcOrigin(echo);
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const words = Array.from({ length: 100 }, (_, i) => `word ${i} `.repeat(i * 20 + 1));
    expect(await Promise.all(words.map((word) => client.ask(word)))).toEqual(words.map((word) => word.toUpperCase()));
  });

  test('a call that fails before it answers brings its status, text and metadata', async () => {
    await using app = await grpcOrigin((call) => {
      call.emit('error', {
        code: status.FAILED_PRECONDITION,
        details: 'für 100% nicht\nfertig',
        metadata: fields({ 'x-why': 'because', 'x-why-bin': Buffer.from([1, 2]) }),
      });
    });
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const ended = (await client.ask('hello')) as StatusObject;
    expect(ended).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'für 100% nicht\nfertig' });
    expect([ended.metadata.get('x-why'), ended.metadata.get('x-why-bin')]).toEqual([
      ['because'],
      [Buffer.from([1, 2])],
    ]);
    expect(way.caller.records[0]).toMatchObject({ status: 200, grpcStatus: status.FAILED_PRECONDITION, code: '' });
  });

  test('a call that fails in the middle keeps what it has said', async () => {
    await using app = await grpcOrigin((call) => {
      call.write('so far');
      failing(status.DATA_LOSS, 'gone')(call);
    });
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const call = client.call();
    expect(await call.rest()).toEqual(['so far']);
    expect(await call.status).toMatchObject({ code: status.DATA_LOSS, details: 'gone' });
    expect(way.caller.records[0]).toMatchObject({ grpcStatus: status.DATA_LOSS });
  });

  test('a caller whose time is up is told so, and the call of the app is cancelled', async () => {
    await using app = await grpcOrigin(() => undefined);
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const call = client.call(undefined, { deadline: Date.now() + 200 });
    expect((await call.status).code).toBe(status.DEADLINE_EXCEEDED);
    await cancelled(app.calls[0]!);
    expect(app.calls[0]!.getDeadline()).not.toBe(Number.POSITIVE_INFINITY);
    await until('both sidecars are done with it', () => way.caller.underWay + way.last.underWay === 0);
  });

  test('a call that the caller gives up is cancelled at the app', async () => {
    await using app = await grpcOrigin((call) => void call.write('here'));
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const call = client.call();
    expect(await call.next()).toBe('here');
    call.stream.cancel();
    expect((await call.status).code).toBe(status.CANCELLED);
    await cancelled(app.calls[0]!);
    await until('both sidecars are done with it', () => way.caller.underWay + way.last.underWay === 0);
    expect(way.caller.records[0]).toMatchObject({ code: 'DOWNSTREAM_GONE', grpcStatus: -1 });
  });

  test('an app that dies in the middle of its answer is UNAVAILABLE, in trailers that say why', async () => {
    await using app = await grpcOrigin((call) => void call.write('so far'));
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound);
    const call = client.call();
    expect(await call.next()).toBe('so far');
    app.kill();
    expect(await call.rest()).toEqual([]);
    const { code, details, metadata } = await call.status;
    expect([code, details]).toEqual([status.UNAVAILABLE, expect.stringMatching(/^UPSTREAM_RESET: /)]);
    expect(metadata.get('weft-error')).toEqual(['UPSTREAM_RESET']);
    await until('the call is accounted for', () => way.caller.records.length === 1);
    expect(way.caller.records[0]).toMatchObject({ code: 'UPSTREAM_RESET', grpcStatus: status.UNAVAILABLE });
  });

  test('messages that the caller compresses arrive compressed', async () => {
    await using app = await grpcOrigin(echo);
    await using way = await start([app]);
    using client = grpcCaller(way.caller.outbound, 'web', {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
    });
    const text = 'compressible '.repeat(10_000);
    expect(await client.ask(text)).toBe(text.toUpperCase());
    expect(way.last.records[0]!.requestBytes).toBeLessThan(text.length / 10);
  });

  test('a stream that has no deadline is not cut when its first message comes late', async () => {
    const clock = manualClock(Date.now());
    await using app = await grpcOrigin((call) => call.on('data', () => undefined));
    await using way = await start([app], { clock, limits: { pingMs: Number.POSITIVE_INFINITY } });
    using client = grpcCaller(way.caller.outbound);
    const call = client.call();
    call.say('subscribe');
    await until('the app has the call', () => app.calls.length === 1);
    // Two minutes; deadlines are looked for every 20 ms of real time.
    for (let step = 0; step < 12; step++) {
      clock.advance(10_000);
      await new Promise((resolve) => setTimeout(resolve, 22));
    }
    app.calls[0]!.write('at last');
    app.calls[0]!.end();
    expect(await call.rest()).toEqual(['at last']);
  });

  describe('retries', () => {
    const policy = (spec: string): string => `
apiVersion: weft.dev/v1
kind: RetryPolicy
metadata: { name: p }
spec: { targetRefs: [{ kind: Service, name: web }], retries: 3, ${spec} }
`;
    const third = (call: AppCall, calls: readonly AppCall[]): void =>
      calls.length < 3 ? failing(status.UNAVAILABLE, 'not yet')(call) : echo(call);

    test('a status that the policy names is tried again, message and metadata included', async () => {
      await using app = await grpcOrigin(third);
      await using way = await start([app], { yaml: policy('grpc: [unavailable]') });
      using client = grpcCaller(way.caller.outbound);
      expect(await client.ask('hello', fields({ 'x-same-bin': Buffer.from([7]) }))).toBe('HELLO');
      expect(app.calls.map(({ metadata }) => metadata.get('x-same-bin'))).toEqual(Array(3).fill([Buffer.from([7])]));
      expect(way.caller.records[0]).toMatchObject({ attempts: 3, grpcStatus: 0 });
    });

    test('a status that no policy names is the answer', async () => {
      await using app = await grpcOrigin(third);
      await using way = await start([app], { yaml: policy('grpc: [internal]') });
      using client = grpcCaller(way.caller.outbound);
      expect(await client.ask('hello')).toMatchObject({ code: status.UNAVAILABLE, details: 'not yet' });
      expect(app.calls).toHaveLength(1);
    });

    test('a call that has answered anything is never tried again', async () => {
      await using app = await grpcOrigin((call) => {
        call.write('begun');
        failing(status.UNAVAILABLE)(call);
      });
      await using way = await start([app], { yaml: policy('grpc: [unavailable]') });
      using client = grpcCaller(way.caller.outbound);
      expect(await client.ask('hello')).toMatchObject({ code: status.UNAVAILABLE });
      expect(app.calls).toHaveLength(1);
    });
  });
});
