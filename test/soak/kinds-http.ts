import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { type Client, type Door, inTime, type Kind, must, noise, same } from './kinds.ts';

const KB = 1024;

interface Exchange {
  readonly method?: string;
  readonly path: string;
  readonly body?: Buffer;
}

function begin({ host, port }: Door, agent: Agent, { method = 'GET', path, body }: Exchange): ClientRequest {
  const headers = { host: 'web', ...(body === undefined ? {} : { 'content-length': body.length }) };
  const sent = request({ host, port, agent, method, path, headers });
  // Behind the head of its answer nobody waits for it any more: the answer tells of it.
  sent.on('error', () => undefined);
  sent.end(body);
  return sent;
}

async function whole(response: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  return Buffer.concat(pieces);
}

function h1(
  run: (ask: (exchange: Exchange) => Promise<Buffer>, leave: (exchange: Exchange) => Promise<void>) => Promise<void>,
) {
  return (door: Door): Client => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = async (exchange: Exchange): Promise<Buffer> => {
      const sent = begin(door, agent, exchange);
      const answer = async (): Promise<Buffer> => {
        const [response] = (await once(sent, 'response')) as [IncomingMessage];
        const body = await whole(response);
        must(response.statusCode === 200, `status ${response.statusCode} ${response.headers['weft-error'] ?? ''}`);
        must(response.complete, 'the answer was cut off');
        return body;
      };
      return inTime(exchange.path, answer(), () => sent.destroy());
    };
    const leave = async (exchange: Exchange): Promise<void> => {
      const sent = begin(door, agent, exchange);
      const left = async (): Promise<void> => {
        const [response] = (await once(sent, 'response')) as [IncomingMessage];
        response.on('error', () => undefined);
        await once(response, 'data');
        response.destroy();
        await once(response, 'close');
      };
      await inTime(exchange.path, left(), () => sent.destroy());
    };
    return { run: () => run(ask, leave), close: () => agent.destroy() };
  };
}

async function askH2(session: ClientHttp2Session, { method = 'GET', path, body }: Exchange): Promise<Buffer> {
  const stream = session.request(
    { ':authority': 'web', ':method': method, ':path': path },
    { endStream: body === undefined },
  );
  if (body !== undefined) stream.end(body);
  const answer = async (): Promise<Buffer> => {
    const status = statusOf(stream);
    const [got] = await Promise.all([whole(stream), status]);
    must(stream.rstCode === 0, `the stream was reset with ${stream.rstCode}`);
    return got;
  };
  return inTime(path, answer(), () => stream.close());
}

async function statusOf(stream: ClientHttp2Stream): Promise<void> {
  const [head] = await once(stream, 'response');
  must(head[':status'] === 200, `status ${head[':status']} ${head['weft-error'] ?? ''}`);
}

function h2(run: (session: ClientHttp2Session) => Promise<void>) {
  return ({ host, port }: Door): Client => {
    let session: ClientHttp2Session | undefined;
    return {
      async run() {
        if (session === undefined || session.closed || session.destroyed) {
          session = connect(`http://${host}:${port}`);
          // Its streams tell of it.
          session.on('error', () => undefined);
        }
        await run(session);
      },
      close: () => session?.destroy(),
    };
  };
}

const large = { path: `/large?octets=${4096 * KB}` };

export const httpKinds: readonly Kind[] = [
  {
    name: 'HTTP/1.1',
    clients: 4,
    open: h1(async (ask) => {
      for (let i = 0; i < 10; i++) must((await ask({ path: '/' })).toString() === 'small\n', 'another answer');
      for (const octets of [10, 1 * KB, 40 * KB]) {
        const body = noise(octets);
        same(await ask({ method: 'PUT', path: '/echo', body }), body, '/echo');
      }
    }),
  },
  {
    name: 'HTTP/1.1, large',
    clients: 1,
    open: h1(async (ask) => {
      const body = noise(1024 * KB);
      same(await ask({ method: 'PUT', path: '/echo', body }), body, '/echo');
      must((await ask(large)).length === 4096 * KB, 'a part of /large');
      await ask({ path: '/events' });
    }),
  },
  { name: 'HTTP/1.1, leaving early', clients: 1, open: h1(async (_, leave) => leave(large)) },
  {
    name: 'HTTP/2',
    clients: 2,
    open: h2(async (session) => {
      const asked = Array.from({ length: 10 }, async (_, i) => {
        const body = noise(i * 5 * KB);
        same(await askH2(session, { method: 'PUT', path: '/echo', body }), body, '/echo');
      });
      // Every one has ended before the next round begins, also when one of them has failed.
      const failed = (await Promise.allSettled(asked)).find(({ status }) => status === 'rejected');
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    }),
  },
  {
    name: 'HTTP/2, large',
    clients: 1,
    open: h2(async (session) => {
      must((await askH2(session, large)).length === 4096 * KB, 'a part of /large');
    }),
  },
  {
    name: 'HTTP/2, leaving early',
    clients: 1,
    open: h2(async (session) => {
      const stream = session.request({ ':authority': 'web', ':path': large.path });
      stream.on('error', () => undefined);
      const left = async (): Promise<void> => {
        await Promise.race([once(stream, 'data'), once(stream, 'close')]);
        const gone = stream.closed ? undefined : once(stream, 'close');
        stream.close(8);
        await gone;
      };
      await inTime(large.path, left(), () => stream.destroy());
    }),
  },
];
