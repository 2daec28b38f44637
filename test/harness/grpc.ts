import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import { type Address, formatAddress } from '../../lib/address.ts';

/** One method for all forms of a call: a stream each way, of messages that are texts. */
const PATH = '/test.Talk/Talk';
const serialize = (text: string): Buffer => Buffer.from(text, 'latin1');
const deserialize = (octets: Buffer): string => octets.toString('latin1');

/** A call as the app sees it. */
export type AppCall = ServerDuplexStream<string, string>;

export interface GrpcOrigin extends AsyncDisposable {
  readonly address: Address;
  /** Calls that have come in, in order. */
  readonly calls: readonly AppCall[];
  /** Ends at once, with all that is under way. */
  kill(): void;
}

/** A real gRPC server on h2c that does `talk` with each call. */
export async function grpcOrigin(
  talk: (call: AppCall, calls: readonly AppCall[]) => void,
  at: Address = { host: '127.0.0.1', port: 0 },
  options: ChannelOptions = {},
): Promise<GrpcOrigin> {
  const calls: AppCall[] = [];
  const server = new Server({ 'grpc.max_receive_message_length': -1, ...options });
  const method = { path: PATH, requestStream: true, responseStream: true } as const;
  const codec = {
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
  server.addService(
    { Talk: { ...method, ...codec } },
    {
      Talk(call: AppCall) {
        calls.push(call);
        // What a broken connection does to a call is what `cancelled` says.
        call.on('error', () => undefined);
        talk(call, calls);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(formatAddress(at), ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    address: 'path' in at ? at : { host: at.host, port },
    calls,
    kill: () => server.forceShutdown(),
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

/** A call as its caller sees it. */
export interface Call {
  readonly stream: ClientDuplexStream<string, string>;
  /** Sends one message. */
  say(message: string): void;
  /** No more messages follow. */
  end(): void;
  /** The next message of the app; undefined when there is none any more. */
  next(): Promise<string | undefined>;
  /** All messages that are still to come. */
  rest(): Promise<string[]>;
  /** What came before the first message. */
  readonly head: Promise<Metadata>;
  /** How it ended, once all messages are read. */
  readonly status: Promise<StatusObject>;
}

/** A channel to an outbound listener. */
export interface GrpcCaller extends Disposable {
  call(metadata?: Metadata, options?: { readonly deadline?: Date | number }): Call;
  /** One message there, one back, or the status. */
  ask(message: string, metadata?: Metadata): Promise<string | StatusObject>;
}

/** A real gRPC client that calls `service` through the listener at `via`. */
export function grpcCaller(via: Address, service = 'web', options: ChannelOptions = {}): GrpcCaller {
  const client = new Client(formatAddress(via), credentials.createInsecure(), {
    'grpc.default_authority': service,
    'grpc.max_receive_message_length': -1,
    // Each test has a connection of its own.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    ...options,
  });
  const call: GrpcCaller['call'] = (metadata, callOptions = {}) => {
    const stream =
      metadata === undefined
        ? client.makeBidiStreamRequest(PATH, serialize, deserialize, callOptions)
        : client.makeBidiStreamRequest(PATH, serialize, deserialize, metadata, callOptions);
    const head = new Promise<Metadata>((resolve) => stream.on('metadata', resolve));
    const status = new Promise<StatusObject>((resolve) => stream.on('status', resolve));
    // `status` says the same.
    stream.on('error', (_: ServiceError) => undefined);
    const messages = reader(stream);
    return {
      stream,
      head,
      status,
      say: (message) => void stream.write(message),
      end: () => stream.end(),
      next: () => messages.next(),
      async rest() {
        const rest: string[] = [];
        for (let one = await messages.next(); one !== undefined; one = await messages.next()) rest.push(one);
        return rest;
      },
    };
  };
  return {
    call,
    async ask(message, metadata) {
      const one = call(metadata);
      one.say(message);
      one.end();
      const [answer] = await one.rest();
      const status = await one.status;
      return status.code === 0 ? answer! : status;
    },
    [Symbol.dispose]: () => client.close(),
  };
}

/** Messages one by one, as they come. */
function reader(stream: ClientDuplexStream<string, string>): { next(): Promise<string | undefined> } {
  const messages: string[] = [];
  let ended = false;
  let heard = (): void => undefined;
  stream.on('data', (message: string) => {
    messages.push(message);
    heard();
  });
  stream.on('status', () => {
    ended = true;
    heard();
  });
  return {
    async next() {
      while (messages.length === 0 && !ended)
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      return messages.shift();
    },
  };
}
