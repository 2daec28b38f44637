import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connectedEnds } from '../../test/harness/ends.ts';
import { until } from '../../test/harness/until.ts';
import { abruptly, adapter, directWrite, isForgotten, onRead, putText, setReading } from './adapter.ts';

/** Both ends of one connection. */
async function ends(): Promise<{ near: Socket; far: Socket; close: () => void }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [far] = (await once(server, 'connection')) as [Socket];
  return { near, far, close: () => server.close() };
}

const endOf = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let how = 'end';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      how = error.code ?? error.message;
    });
    socket.on('close', () => resolve(how));
    socket.on('end', () => socket.end());
    socket.resume();
  });

test('a connection that is closed abruptly ends with a reset, and its socket is closed', async () => {
  const { near, far, close } = await ends();
  const seen = endOf(far);
  const closed = once(near, 'close');
  expect(abruptly(near)).toBe(true);
  await closed;
  expect(await seen).toBe('ECONNRESET');
  close();
});

test('one that is sending its end just now is left to whoever closes it in another way', async () => {
  const { near, far, close } = await ends();
  const seen = endOf(far);
  near.end();
  expect(abruptly(near)).toBe(false);
  const closed = once(near, 'close');
  near.destroy();
  await closed;
  expect(await seen).toBe('end');
  close();
});

describe.each(['direct', 'public'] as const)('by the %s way', (mode) => {
  beforeEach(() => {
    adapter.mode = mode;
  });
  afterEach(() => {
    adapter.mode = 'direct';
  });

  test('what comes is delivered, into the shared buffer where that is possible', async () => {
    await using ends = await connectedEnds();
    const shared = Buffer.alloc(64);
    let text = '';
    const places = new Set<boolean>();
    onRead(ends.near, shared, (buf, length) => {
      text += buf.toString('latin1', 0, length);
      places.add(buf.buffer === shared.buffer);
    });
    ends.far.write('hello');
    await until('it comes', () => text === 'hello');
    ends.far.write('x'.repeat(1000));
    await until('all of it comes', () => text === `hello${'x'.repeat(1000)}`);
    expect([...places]).toEqual([mode === 'direct']);
  });

  test('what had been read before is delivered first', async () => {
    await using ends = await connectedEnds();
    const { near, far } = ends;
    const early = once(near, 'readable');
    near.read(0);
    far.write('early');
    await early;
    let text = '';
    onRead(near, Buffer.alloc(64), (buf, length) => {
      text += buf.toString('latin1', 0, length);
    });
    far.write(' late');
    await until('both come', () => text.length >= 10);
    expect(text).toBe('early late');
  });

  test('what comes while nobody reads is delivered afterwards', async () => {
    await using ends = await connectedEnds();
    const { near, far } = ends;
    let text = '';
    onRead(near, Buffer.alloc(64), (buf, length) => {
      text += buf.toString('latin1', 0, length);
    });
    far.write('one');
    await until('it reads', () => text === 'one');
    setReading(near, false);
    setReading(near, false);
    far.write(' two');
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
    expect(text).toBe('one');
    setReading(near, true);
    await until('it reads again', () => text === 'one two');
    near.destroy();
    setReading(near, true);
  });

  test('what is written comes, and the buffer is free when it has been said so', async () => {
    await using ends = await connectedEnds();
    const { near, far } = ends;
    const octets = Buffer.from('hello');
    const done = Promise.withResolvers<void>();
    if (directWrite(near, octets, done.resolve)) done.resolve();
    await done.promise;
    octets.fill('x');
    const [came] = (await once(far, 'data')) as [Buffer];
    expect(came.toString('latin1')).toBe('hello');
    expect(isForgotten(near)).toBe(false);
  });

  test('a write to who is gone destroys the socket, and says why', async () => {
    await using ends = await connectedEnds();
    const { near, far } = ends;
    const failed = new Promise<Error>((resolve) => near.once('error', resolve));
    const gone = once(far, 'close');
    far.resetAndDestroy();
    await gone;
    for (let n = 0; !near.destroyed && n < 1000; n++) {
      directWrite(near, Buffer.from('hello?'), () => {});
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await failed).message).toMatch(/write|ECONNRESET/);
  });
});

test('text of octets is put as it is, one octet for each character', () => {
  const buf = Buffer.alloc(8, '.');
  expect(putText(buf, 'a\xe9\xff', 2)).toBe(3);
  expect([...buf]).toEqual([...Buffer.from('..a\xe9\xff...', 'latin1')]);
});
