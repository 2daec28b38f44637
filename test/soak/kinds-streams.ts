import { once } from 'node:events';
import { connect } from 'node:net';
import { credentials, Client as GrpcClient, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { WebSocket } from 'ws';
import { inTime, type Kind, must, noise, same } from './kinds.ts';

const KB = 1024;
const octets = (message: Buffer): Buffer => message;

const grpc: Kind = {
  name: 'gRPC',
  clients: 3,
  open({ host, port }) {
    const client = new GrpcClient(`${host}:${port}`, credentials.createInsecure(), {
      'grpc.default_authority': 'grpc',
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 200,
      // A call that has not left yet is repeated by the client itself unless told otherwise.
      'grpc.enable_retries': 0,
    });
    const options = () => ({ deadline: Date.now() + 15_000 });
    const unary = (method: string, message: Buffer): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          `/soak.Echo/${method}`,
          octets,
          octets,
          message,
          new Metadata(),
          options(),
          (error, value) => (error === null ? resolve(value!) : reject(error)),
        );
      });
    return {
      async run() {
        const message = noise(20 * KB);
        same(await unary('Unary', message), message, 'Unary');
        const failure = (await unary('Fail', message).catch((error: unknown) => error)) as ServiceError;
        if (failure.code !== status.FAILED_PRECONDITION) throw failure;
        const call = client.makeBidiStreamRequest('/soak.Echo/Stream', octets, octets, new Metadata(), options());
        const ended = new Promise<void>((resolve, reject) =>
          call.on('status', (end) =>
            end.code === status.OK ? resolve() : reject(new Error(`${end.code} ${end.details}`)),
          ),
        );
        ended.catch(() => undefined);
        call.on('error', () => undefined);
        for (let i = 0; i < 5; i++) {
          const piece = noise(10 * KB);
          call.write(piece);
          const [back] = (await Promise.race([once(call, 'data'), ended.then(() => [Buffer.alloc(0)])])) as [Buffer];
          same(back, piece, 'Stream');
        }
        call.end();
        await ended;
        const left = client.makeBidiStreamRequest('/soak.Echo/Stream', octets, octets, new Metadata(), options());
        left.on('error', () => undefined);
        const gone = new Promise((resolve) => left.once('status', resolve));
        left.write(noise(KB));
        // Not earlier: this client says nothing of a call that it gives up with what it has just sent.
        await Promise.race([new Promise((resolve) => left.once('data', resolve)), gone]);
        left.cancel();
        await gone;
      },
      close: () => client.close(),
    };
  },
};

const webSocket: Kind = {
  name: 'WebSocket',
  clients: 2,
  open: ({ host, port }) => ({
    async run() {
      const socket = new WebSocket(`ws://${host}:${port}/`, { headers: { host: 'web' }, perMessageDeflate: false });
      const talk = async (): Promise<void> => {
        await once(socket, 'open');
        for (const length of [10, 100, 300 * KB]) {
          const message = noise(length);
          socket.send(message);
          const [back] = (await once(socket, 'message')) as [Buffer];
          same(back, message, 'message');
        }
        socket.close(1000, 'done');
        const [code] = await once(socket, 'close');
        must(code === 1000, `ended with ${code}`);
      };
      const broken = once(socket, 'close').then(([code]) => {
        if (code !== 1000) throw new Error(`ended with ${code}`);
      });
      broken.catch(() => undefined);
      const done = talk();
      await inTime('WebSocket', Promise.race([done, broken.then(() => done)]), () => socket.terminate()).finally(() =>
        socket.terminate(),
      );
      // Half of them do not say goodbye.
      const rude = new WebSocket(`ws://${host}:${port}/`, { headers: { host: 'web' }, perMessageDeflate: false });
      rude.on('error', () => undefined);
      rude.once('open', () => rude.terminate());
      await inTime('WebSocket', new Promise((resolve) => rude.once('close', resolve)), () => rude.terminate());
    },
    close: () => undefined,
  }),
};

const tcp: Kind = {
  name: 'TCP',
  clients: 2,
  open: ({ host, tcpPort }) => ({
    async run() {
      const socket = connect({ host, port: tcpPort, allowHalfOpen: true });
      const message = noise(500 * KB);
      const talk = async (): Promise<void> => {
        await once(socket, 'connect');
        socket.end(message);
        const pieces: Buffer[] = [];
        for await (const piece of socket) pieces.push(piece);
        same(Buffer.concat(pieces), message, 'TCP');
      };
      await inTime('TCP', talk(), () => socket.destroy()).finally(() => socket.destroy());
      const rude = connect({ host, port: tcpPort });
      rude.on('error', () => undefined);
      rude.once('connect', () => {
        rude.write('x');
        rude.resetAndDestroy();
      });
      await new Promise((resolve) => rude.once('close', resolve));
    },
    close: () => undefined,
  }),
};

export const streamKinds: readonly Kind[] = [grpc, webSocket, tcp];
