// Connections and streams that break while others use them: whoever is left gets an answer, and gets it elsewhere.
import { manualClock } from '../../lib/clock.ts';
import { h2Client, refusal } from '../harness/h2.ts';
import {
  END_HEADERS,
  frame,
  goaway,
  headers,
  request,
  rst,
  SETTING,
  settings,
  windowUpdate,
} from '../harness/h2-frames.ts';
import { heads, ok, recovers, serve, startHop } from '../harness/h2-hop.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

describe('what comes behind a connection that breaks does not meet it again', () => {
  test.each([
    ['an end', 200],
    ['a reset', 200],
    // What the endpoint said is its answer; only the next request shows that the connection is not used any more.
    ['an error', 502],
  ])('by %s', async (how, status) => {
    await using both = await startHop(mesh, async (peer, number) => {
      if (number > 1) return serve(peer);
      for await (const { stream } of heads(peer)) {
        if (stream === 1) await peer.send(ok(stream));
        else if (how === 'an error') return peer.send(frame('SETTINGS', 0, 1));
        else if (how === 'an end') return void peer.socket.end();
        else return void peer.socket.destroy();
      }
    });
    await recovers(both);
    expect((await both.caller.send()).status).toBe(status);
    await recovers(both);
    await until('nothing is left of it', () => both.caller.underWay === 0);
  });
});

test('a caller who gives up an extended CONNECT that the endpoint cannot take breaks nothing of its connection', async () => {
  await using both = await startHop(mesh, serve);
  await recovers(both);
  await using peer = await h2Client(both.caller.outbound);
  const connect = request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat' });
  await peer.send(headers(1, connect, END_HEADERS), rst(1));
  await recovers(both);
  expect(both.origin.peers).toHaveLength(1);
  expect(both.origin.peers[0]!.frames.filter(({ type }) => type === 'RST_STREAM')).toEqual([]);
});

test('answers for a caller who never opens its window are not kept for ever', async () => {
  const clock = manualClock();
  await using origin = await http1Origin({ '/': 'hello' });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] }, clock });
  await using peer = await h2Client(sidecar.outbound, { first: settings([SETTING.INITIAL_WINDOW_SIZE, 0]) });
  await peer.send(headers(1, request()));
  await peer.frame('HEADERS', 1);
  await until('the exchange is over', () => sidecar.underWay === 0);
  clock.advance(301_000);
  expect(await peer.reset(1)).toBe('CANCEL');
});

test('resets of both ends that cross are no flood, however many', async () => {
  await using sidecar = await startTestSidecar({ services: {} });
  await using peer = await h2Client(sidecar.outbound);
  await peer.send(windowUpdate(0, 10_000_000));
  const refused = request({ ':method': 'POST', ':authority': 'web' });
  for (let batch = 0; batch < 4; batch++) {
    const ids = Array.from({ length: 500 }, (_, n) => 2 * (batch * 500 + n) + 1);
    await peer.send(...ids.map((id) => headers(id, refused, END_HEADERS)));
    for (const id of ids) await peer.reset(id);
    await peer.send(...ids.map((id) => rst(id)));
  }
  await peer.send(headers(9001, request()));
  expect((await peer.message(9001)).get(':status')).toBe('404');
});

test('long queries of many callers share a connection with all that is around them', async () => {
  const query = 'X9'.repeat(6000);
  const paths: string[] = [];
  await using both = await startHop(mesh, async (peer) => {
    for await (const { stream, fields } of heads(peer)) {
      paths.push(fields.find(([name]) => name === ':path')![1]);
      await peer.send(ok(stream));
    }
  });
  await recovers(both);
  paths.length = 0;
  const wanted = Array.from({ length: 60 }, (_, n) => `/${n}?${query}`);
  await Promise.all(wanted.map((path) => both.caller.send({ target: path })));
  expect(paths.filter((path) => wanted.includes(path))).toHaveLength(wanted.length);
});

describe('what a caller had ready when one of the two said goodbye is answered', () => {
  test('behind its own GOAWAY, which speaks of no stream of its own', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using peer = await h2Client(sidecar.outbound);
    await peer.send(headers(1, request()));
    expect(await refusal(peer, 1)).toBe('200');
    await peer.send(goaway(0), headers(3, request()));
    expect(await refusal(peer, 3)).toBe('200');
    await peer.closed();
  });

  test('behind the answer to the PING of a drain, which overtakes requests', async () => {
    await using origin = await http1Origin('hello');
    await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
    await using peer = await h2Client(sidecar.outbound);
    await peer.send(headers(1, request()));
    expect(await refusal(peer, 1)).toBe('200');
    const drained = sidecar.dataPlane.drain(5000);
    await peer.frame('PING');
    await peer.send(headers(3, request()));
    expect(await refusal(peer, 3)).toBe('200');
    await drained;
  });
});
