import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Clock, manualClock, systemClock } from '../../lib/clock.ts';
import { type RawClient, rawClient } from '../../test/harness/client.ts';
import { rawOrigin } from '../../test/harness/origin.ts';
import { until } from '../../test/harness/until.ts';
import { adapter } from '../net/adapter.ts';
import { Loop } from '../net/loop.ts';
import { Wire } from '../net/wire.ts';
import { type Moved, Pipe } from './pipe.ts';

interface Relay extends AsyncDisposable {
  readonly client: RawClient;
  readonly pipe: Pipe;
  /** Octets that it has taken from each side. */
  readonly taken: { readonly toService: number; readonly toCaller: number };
  /** Why the pipe was over; undefined as long as it is not. */
  readonly code: string | undefined;
  /** Both sockets of the pipe. */
  readonly sockets: readonly Socket[];
}

/** A client, a pipe, and an address that the pipe is joined to once `connected` says so. */
async function relay(
  to: { readonly host: string; readonly port: number },
  options: { readonly clock?: Clock; readonly idleMs?: number; readonly connected?: Promise<unknown> } = {},
): Promise<Relay> {
  const { clock = systemClock, idleMs = Number.POSITIVE_INFINITY, connected = Promise.resolve() } = options;
  const loop = new Loop(clock);
  const sockets: Socket[] = [];
  const taken = { toService: 0, toCaller: 0 };
  const counts: Moved = {
    toService(octets) {
      taken.toService += octets;
    },
    toCaller(octets) {
      taken.toCaller += octets;
    },
  };
  let code: string | undefined;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  const piped = new Promise<Pipe>((resolve) => {
    server.once('connection', (socket) => {
      sockets.push(socket);
      const open = (owner: ConstructorParameters<typeof Wire>[1]): Wire => new Wire(socket, owner, loop);
      const pipe = new Pipe(open, loop, idleMs, counts, (why) => {
        code = why;
      });
      resolve(pipe);
      void connected.then(async () => {
        if (pipe.over) return;
        const upstream = connect({ ...to, allowHalfOpen: true, noDelay: true });
        upstream.pause();
        sockets.push(upstream);
        await once(upstream, 'connect');
        if (!pipe.over) loop.turn(() => pipe.join(upstream));
        else upstream.destroy();
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = await rawClient({ host: '127.0.0.1', port });
  const pipe = await piped;
  return {
    client,
    pipe,
    sockets,
    taken,
    get code() {
      return code;
    },
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      loop.turn(() => pipe.close('DRAINING'));
      server.close();
      loop.close();
    },
  };
}

const tcp = (origin: { readonly address: object }) => origin.address as { host: string; port: number };

describe.each(['direct', 'public'] as const)('over the %s way to sockets', (mode) => {
  beforeAll(() => {
    adapter.mode = mode;
  });
  afterAll(() => {
    adapter.mode = 'direct';
  });

  test('octets go both ways, and the pipe is over when both sides have ended', async () => {
    await using origin = await rawOrigin(async ({ octets, socket, write }) => {
      await octets.until('a word', (text) => text.includes('ping') || undefined);
      write('pong');
      await octets.until('the end', (_, over) => over || undefined);
      socket.end('bye');
    });
    await using pipe = await relay(tcp(origin));
    await pipe.client.send('ping');
    await pipe.client.octets.until('an answer', (text) => text === 'pong' || undefined);
    expect(pipe.code).toBeUndefined();
    pipe.client.half();
    await pipe.client.over();
    expect(pipe.client.octets.text).toBe('pongbye');
    await until('the pipe is over', () => pipe.code !== undefined);
    expect([pipe.code, pipe.taken.toService, pipe.taken.toCaller]).toEqual(['', 4, 7]);
  });

  test('a service that speaks first and then ends is still heard out by a caller that goes on', async () => {
    await using origin = await rawOrigin(({ socket }) => void socket.end('all I have to say'));
    await using pipe = await relay(tcp(origin));
    await pipe.client.over();
    expect(pipe.client.octets).toMatchObject({ text: 'all I have to say', ended: true, closed: false });
    await pipe.client.send('and I go on');
    await until('it arrives', () => origin.peers[0]?.octets.text === 'and I go on');
    expect(pipe.code).toBeUndefined();
    pipe.client.half();
    await until('the pipe is over', () => pipe.code === '');
  });

  test('what a caller says, and that it has said all, waits for a service that is slow to accept', async () => {
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    await using origin = await rawOrigin(() => undefined);
    await using pipe = await relay(tcp(origin), { connected });
    await pipe.client.send('early');
    pipe.client.half();
    await until('it is held', () => pipe.taken.toService === 5);
    resolve();
    await until('the service has it', () => origin.peers[0]?.octets.ended === true);
    expect(origin.peers[0]!.octets.text).toBe('early');
  });

  test('a caller that resets before there is an upstream end ends the pipe', async () => {
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    await using origin = await rawOrigin(() => undefined);
    await using pipe = await relay(tcp(origin), { connected });
    pipe.client.reset();
    await until('the pipe is over', () => pipe.code === 'DOWNSTREAM_GONE');
    resolve();
  });

  test('a reset of the caller is a reset for the service', async () => {
    await using origin = await rawOrigin(() => undefined);
    await using pipe = await relay(tcp(origin));
    await pipe.client.send('half a');
    await until('it arrives', () => origin.peers[0]?.octets.text === 'half a');
    pipe.client.reset();
    await until('the service sees it', () => origin.peers[0]!.octets.closed);
    expect([origin.peers[0]!.octets.error, pipe.code]).toEqual(['ECONNRESET', 'DOWNSTREAM_GONE']);
  });

  test('a reset of the service is a reset for the caller, also when it has ended its side', async () => {
    await using origin = await rawOrigin(async ({ octets, socket }) => {
      await octets.until('the end', (_, over) => over || undefined);
      socket.resetAndDestroy();
    });
    await using pipe = await relay(tcp(origin));
    pipe.client.half();
    await until('the caller sees it', () => pipe.client.octets.closed);
    expect([pipe.client.octets.error, pipe.code]).toEqual(['ECONNRESET', 'UPSTREAM_RESET']);
  });

  test('a reset in the same moment as the end of the other side leaves no socket behind', async () => {
    await using origin = await rawOrigin(({ socket }) => void socket.end());
    await using pipe = await relay(tcp(origin));
    await pipe.client.over();
    pipe.client.reset();
    await until('both sockets are closed', () => pipe.sockets.every((socket) => socket.closed));
    await until('the pipe is over', () => pipe.code !== undefined);
  });

  test('when nothing moves for the idle time both sides are broken off, and not before', async () => {
    const clock = manualClock();
    await using origin = await rawOrigin(() => undefined);
    await using pipe = await relay(tcp(origin), { clock, idleMs: 1000 });
    await pipe.client.send('a');
    await until('it arrives', () => origin.peers[0]?.octets.text === 'a');
    clock.advance(900);
    origin.peers[0]!.write('b');
    await pipe.client.octets.until('an octet', (text) => text === 'b' || undefined);
    clock.advance(900);
    await pipe.client.send('c');
    await until('it arrives', () => origin.peers[0]!.octets.text === 'ac');
    expect(pipe.code).toBeUndefined();
    clock.advance(1000);
    await until('the pipe is over', () => pipe.code === 'STREAM_IDLE');
    await until('both see it', () => pipe.client.octets.closed && origin.peers[0]!.octets.closed);
    expect([pipe.client.octets.error, origin.peers[0]!.octets.error]).toEqual(['ECONNRESET', 'ECONNRESET']);
  });

  test('a reader that does not read makes the other side wait, with a few buffers held at most', async () => {
    const sent = randomBytes(1024 * 1024);
    let written = 0;
    await using origin = await rawOrigin(({ socket }) => {
      const more = (): void => {
        while (written < 128 && socket.write(sent)) written++;
      };
      socket.on('drain', more);
      more();
    });
    await using pipe = await relay(tcp(origin));
    pipe.client.socket.pause();
    await until(
      'it stops',
      (() => {
        let [before, same] = [-1, 0];
        return () => {
          same = pipe.taken.toCaller === before && before > 0 ? same + 1 : 0;
          before = pipe.taken.toCaller;
          return same > 50;
        };
      })(),
    );
    // What the pipe has taken and not given on yet.
    const held = pipe.taken.toCaller - pipe.sockets[0]!.bytesWritten;
    expect(held).toBeGreaterThanOrEqual(0);
    expect(held).toBeLessThan(512 * 1024);
    expect(written).toBeLessThan(128);
  });

  test('much in both directions at once arrives as it was sent', async () => {
    const chunk = randomBytes(1024 * 1024);
    const times = 16;
    const expected = hashOf(Array.from({ length: times }, () => chunk));
    await using origin = await rawOrigin(({ socket }) => {
      for (let i = 0; i < times; i++) socket.write(chunk);
      socket.end();
    });
    await using pipe = await relay(tcp(origin));
    for (let i = 0; i < times; i++) await pipe.client.send(chunk);
    pipe.client.half();
    await until('the pipe is over', () => pipe.code === '');
    await pipe.client.over();
    expect(hashOf([Buffer.from(pipe.client.octets.text, 'latin1')])).toBe(expected);
    expect(hashOf([Buffer.from(origin.peers[0]!.octets.text, 'latin1')])).toBe(expected);
  });
});

const hashOf = (parts: readonly Buffer[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
