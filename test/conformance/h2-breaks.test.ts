// Connections and streams that break while others use them: whoever is left gets an answer, and gets it elsewhere.
import { frame } from '../harness/h2-frames.ts';
import { heads, ok, recovers, serve, startHop } from '../harness/h2-hop.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
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
