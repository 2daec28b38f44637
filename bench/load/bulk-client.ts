// Moves bodies through a path, one after the other on each connection, and checks that each arrived whole.
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { BulkOrder, BulkReport } from './bulk.ts';
import { host, tally } from './load.ts';

const order = JSON.parse(process.argv[2]!) as BulkOrder;
const { port, size, direction } = order;
const piece = Buffer.alloc(256 * 1024, 'x');
/** Nothing moved for so long: the path is stuck. */
const stuckMs = 10_000;

/** Writes a body at the pace at which it is taken. */
async function send(to: NodeJS.WritableStream): Promise<void> {
  for (let left = size; left > 0; left -= piece.length)
    if (!to.write(left < piece.length ? piece.subarray(0, left) : piece)) await once(to, 'drain');
}

const agent = new Agent({ keepAlive: true, timeout: stuckMs });

async function overHttp(): Promise<void> {
  const headers = { host, ...(direction === 'up' ? { 'content-length': size } : {}) };
  const path = direction === 'up' ? '/octets' : `/octets/${size}`;
  const asked = request({ port, host: '127.0.0.1', agent, path, headers, method: direction === 'up' ? 'POST' : 'GET' });
  asked.on('timeout', () => asked.destroy(new Error(`nothing moved for ${stuckMs} ms`)));
  const answered = once(asked, 'response') as Promise<[IncomingMessage]>;
  if (direction === 'up') await Promise.race([send(asked), answered]);
  asked.end();
  const [answer] = await answered;
  let octets = 0;
  let text = '';
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    octets += chunk.length;
    if (direction === 'up') text += chunk.toString('latin1');
  }
  const arrived = direction === 'up' ? Number(text) : octets;
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
  if (arrived !== size) throw new Error(`${arrived} of ${size} octets arrived`);
}

/** Resolves when so many octets came, with the last of them as text. */
function receive(socket: Socket, octets: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let left = octets;
    const done = (settle: () => void): void => {
      socket.off('data', onData).off('close', onClose);
      settle();
    };
    const onData = (chunk: Buffer): void => {
      left -= chunk.length;
      if (left === 0) done(() => resolve(chunk.toString('latin1')));
      else if (left < 0) done(() => reject(new Error(`${-left} octets too many`)));
    };
    const onClose = (): void => done(() => reject(new Error(`the connection ended ${left} octets early`)));
    socket.on('data', onData).on('close', onClose);
  });
}

async function expectLine(socket: Socket, line: string): Promise<void> {
  const got = await receive(socket, line.length);
  if (got !== line) throw new Error(`got ${JSON.stringify(got)}, not ${JSON.stringify(line)}`);
}

async function overTcp(socket: Socket): Promise<void> {
  if (direction === 'down') {
    socket.write(`send ${size}\n`);
    await receive(socket, size);
    return;
  }
  socket.write(`take ${size}\n`);
  await expectLine(socket, 'go\n');
  await send(socket);
  await expectLine(socket, 'took\n');
}

async function openTcp(): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.setTimeout(stuckMs, () => socket.destroy(new Error(`nothing moved for ${stuckMs} ms`)));
  await once(socket, 'connect');
  return socket;
}

const begin = performance.now();
const end = begin + order.seconds * 1000;
const problems: string[] = [];
let bodies = 0;

/** One body at least, and one after the other until the time is over or one fails. */
async function keepBusy(): Promise<void> {
  const socket = order.over === 'tcp' ? await openTcp() : undefined;
  do {
    await (socket === undefined ? overHttp() : overTcp(socket));
    bodies++;
  } while (performance.now() < end);
  socket?.destroy();
}

for (const outcome of await Promise.allSettled(Array.from({ length: order.connections }, keepBusy)))
  if (outcome.status === 'rejected') problems.push((outcome.reason as Error).message);
agent.destroy();
const report: BulkReport = { bodies, elapsedMs: performance.now() - begin, problems: tally(problems) };
process.stdout.write(`${JSON.stringify(report)}\n`);
