import { strictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Address } from '../../lib/address.ts';
import type { Random } from '../../lib/random.ts';
import { preface } from '../harness/h2-frames.ts';
import { http1Origin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { frameSeeds, frameWords } from './h2-seeds.ts';
import { cut, mutate } from './mutate.ts';

/**
 * Whatever a client of HTTP/2 says, in whatever pieces: the sidecar lives, ends every exchange that it has begun, and
 * serves the next one. One real sidecar a case, which fails at its end when something was left open.
 */
export async function fuzzConnection(random: Random): Promise<string> {
  await using origin = await http1Origin('hello');
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  const { host, port } = sidecar.outbound as Extract<Address, { host: string }>;
  const said = Buffer.concat([preface, Buffer.from(mutate(random, frameSeeds, frameWords), 'latin1')]);
  const socket = connect({ host, port, noDelay: true });
  await once(socket, 'connect');
  const over = new Promise((resolve) => socket.on('close', resolve).on('error', () => undefined));
  for (const piece of cut(random, said)) socket.write(piece);
  socket.resume().end();
  await over;
  strictEqual((await sidecar.send()).status, 200);
  return sidecar.records.length > 1 ? 'asked for something' : 'asked for nothing';
}
