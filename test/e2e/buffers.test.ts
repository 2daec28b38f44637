// How much a sidecar holds for those that are slow. In processes of their own, so that nothing else is measured.
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Duplex, Writable } from 'node:stream';
import { type Address, formatAddress } from '../../lib/address.ts';
import { rawClient, requestText, send } from '../harness/client.ts';
import { eventually } from '../harness/eventually.ts';
import { MB } from '../harness/memory.ts';
import { type RawPeer, rawOrigin } from '../harness/origin.ts';
import { type SidecarProcess, startSidecarProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';

const block = Buffer.alloc(0x10000, 'x');

/** Writes without end, as fast as it is taken. Gives how much was given to it so far. */
function pour(into: Writable): () => number {
  let octets = 0;
  const write = (): void => {
    let more = !into.destroyed;
    while (more) {
      more = into.write(block);
      octets += block.length;
    }
  };
  into.on('drain', write).on('error', () => into.destroy());
  write();
  return () => octets;
}

/** Resolves when nothing has moved for a while. */
async function still(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); ) {
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** Octets that the sidecar has in buffers, those included that are garbage. */
const held = (sidecar: SidecarProcess): Promise<number> => sidecar.metric('nodejs_external_memory_bytes');

/** Resolves when it holds little more than before. Each look makes a little garbage, so that old garbage is collected. */
const holdsLittle = (sidecar: SidecarProcess, before: number): Promise<true> =>
  eventually('little is held', async () => ((await held(sidecar)) - before < 2 * MB ? true : undefined), 10_000);

/** A service that answers `/warm`, and does what the test says with all else. */
const origin = (then: (peer: RawPeer) => void) =>
  rawOrigin(async (peer) => {
    for (;;) {
      const head = await peer.octets.until('a request', (text, over) => {
        const end = text.indexOf('\r\n\r\n');
        return end < 0 ? (over ? '' : undefined) : text.slice(0, end + 4);
      });
      if (head === '') return;
      if (!head.includes('/warm')) break;
      peer.octets.drop(head.length);
      peer.write('HTTP/1.1 204 No Content\r\n\r\n');
    }
    then(peer);
  });

/** An upload or download of a caller that does not read. */
interface Caller extends AsyncDisposable {
  readonly upload: Writable;
  readonly received: () => number;
}

async function h1Caller(to: Address, head: string): Promise<Caller> {
  const client = await rawClient(to);
  client.socket.pause();
  await client.send(head);
  return {
    upload: client.socket,
    received: () => client.socket.bytesRead,
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

async function h2Caller(to: Address, method: string): Promise<Caller> {
  const session: ClientHttp2Session = connect(`http://${formatAddress(to)}`);
  await once(session, 'connect');
  const stream: Duplex = session.request(
    { ':method': method, ':authority': 'web', ':path': '/' },
    { endStream: method === 'GET' },
  );
  stream.pause();
  stream.on('error', () => stream.destroy());
  return {
    upload: stream,
    received: () => session.socket.bytesRead,
    async [Symbol.asyncDispose]() {
      session.destroy();
    },
  };
}

// This process pours as fast as it can, which on a busy machine would make the sidecar late, and rightly refuse.
const unhurried = { flags: '--overload-delay off' };
const length = 1024 * MB;
const callers: readonly (readonly [string, (to: Address, method: string) => Promise<Caller>])[] = [
  [
    'HTTP/1.1',
    (to, method) =>
      h1Caller(to, requestText({ method, fields: method === 'GET' ? [] : [`content-length: ${length}`] })),
  ],
  ['HTTP/2', h2Caller],
];

test.each(callers)(
  'RES-BUFFER-UP: a caller that sends faster than the service reads is held back (%s)',
  async (_, call) => {
    await using web = await origin((peer) => void peer.socket.pause());
    await using sidecar = await startSidecarProcess(web.address, unhurried);
    await send(sidecar.outbound, { target: '/warm' });
    const before = await held(sidecar);
    await using caller = await call(sidecar.outbound, 'POST');
    const poured = pour(caller.upload);
    await until('the service has the request', () => web.peers.length > 0);
    await still(poured);
    await holdsLittle(sidecar, before);
  },
);

test.each(callers)(
  'RES-BUFFER-DOWN: a service that sends faster than the caller reads is held back (%s)',
  async (_, call) => {
    let poured = (): number => 0;
    await using web = await origin((peer) => {
      peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
      poured = pour(peer.socket);
    });
    await using sidecar = await startSidecarProcess(web.address, unhurried);
    await send(sidecar.outbound, { target: '/warm' });
    const before = await held(sidecar);
    await using caller = await call(sidecar.outbound, 'GET');
    await until(
      'the answer begins',
      () => poured() > 0 && caller.received() > 0,
      () => `${poured()} octets were sent, ${caller.received()} came; the sidecar says:\n${sidecar.running.output()}`,
    );
    await still(poured);
    await holdsLittle(sidecar, before);
  },
);
