// What an endpoint that speaks HTTP/2 may do to the sidecar that calls it: as RFC 9113 allows, and worse. The endpoint
// has the certificate of its service and is believed no further than that.

import { data, END_HEADERS, END_STREAM, goaway, headers, none, rst, SETTING, settings } from '../harness/h2-frames.ts';
import { heads, ok, recovers, serve, startHop } from '../harness/h2-hop.ts';
import type { FieldList } from '../harness/hpack.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

const limits = `
apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: p }
spec: { targetRefs: [{ kind: Service, name: web }], connect: 300ms, request: 1s }
`;

describe('GOAWAY', () => {
  test.each(['GET', 'POST'])(
    'what the endpoint says it has not looked at goes to another connection, the rest is finished: %s',
    async (method) => {
      await using both = await startHop(mesh, async (peer, number) => {
        if (number > 1) return serve(peer);
        const streams: number[] = [];
        for await (const { stream } of heads(peer)) if (streams.push(stream) === 5) break;
        await peer.send(goaway(streams[2]!));
        for (const stream of streams.slice(0, 3)) await peer.send(ok(stream, 'first'));
        return peer.closed();
      });
      const { caller, origin } = both;
      const body = method === 'POST' ? { body: 'x' } : {};
      const answers = await Promise.all(Array.from({ length: 5 }, () => caller.send({ method, ...body })));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      expect(answers.filter((answer) => answer.body === 'first')).toHaveLength(3);
      await until('the old connection is closed', () => origin.peers[0]!.over);
    },
  );

  test('and then a limit of no streams: new requests use another connection', async () => {
    await using both = await startHop(mesh, async (peer, number) => {
      if (number > 1) return serve(peer);
      for await (const { stream } of heads(peer)) {
        await peer.send(goaway(stream), settings([SETTING.MAX_CONCURRENT_STREAMS, 0]), ok(stream, 'first'));
        return;
      }
    });
    expect((await both.caller.send()).body).toBe('first');
    await recovers(both);
  });

  test('with an error and without a word about streams: an attempt that may have had an effect is not repeated', async () => {
    await using both = await startHop(mesh, async (peer, number) => {
      if (number > 1) return serve(peer);
      for await (const { stream } of heads(peer)) {
        await peer.send(goaway(stream, 'INTERNAL_ERROR'));
        peer.socket.end();
        return;
      }
    });
    expect((await both.caller.send({ method: 'POST', body: 'x' })).status).toBe(502);
    await recovers(both);
  });
});

describe('a limit of streams', () => {
  test('of one is kept to, and nobody is forgotten', async () => {
    await using both = await startHop(
      mesh,
      async (peer) => {
        let open = 0;
        for await (const { stream } of heads(peer)) {
          // Before the limit is known, more may come; they are refused, as by every server.
          if (open > 0) {
            await peer.send(rst(stream, 'REFUSED_STREAM'));
            continue;
          }
          open++;
          setTimeout(() => {
            open--;
            void peer.send(ok(stream));
          }, 5);
        }
      },
      settings([SETTING.MAX_CONCURRENT_STREAMS, 1]),
    );
    expect((await both.caller.send()).status).toBe(200);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => both.caller.send({ method: 'POST', body: 'x' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  });

  test('of none: the request is not kept waiting for ever', async () => {
    await using both = await startHop(mesh, () => {}, settings([SETTING.MAX_CONCURRENT_STREAMS, 0]), limits);
    expect([503, 504]).toContain((await both.caller.send()).status);
  });

  test('a stream that is refused is asked for again, whatever its method', async () => {
    let refused = false;
    await using both = await startHop(mesh, async (peer) => {
      for await (const { stream } of heads(peer)) {
        await peer.send(refused ? ok(stream) : rst(stream, 'REFUSED_STREAM'));
        refused = true;
      }
    });
    expect(await both.caller.send({ method: 'POST', body: 'x' })).toMatchObject({ status: 200, body: 'ok' });
  });
});

describe('the stream is broken off, the caller gets 502, the connection goes on', () => {
  test.each<[string, FieldList]>([
    ['no status', [['a', 'b']]],
    ['a status of two digits', [[':status', '20']]],
    ['a status that is no number', [[':status', 'abc']]],
    [
      'two statuses',
      [
        [':status', '200'],
        [':status', '204'],
      ],
    ],
    [
      'a pseudo-header field of a request',
      [
        [':status', '200'],
        [':path', '/'],
      ],
    ],
    [
      'a pseudo-header field behind others',
      [
        ['a', 'b'],
        [':status', '200'],
      ],
    ],
    ['switching protocols, which HTTP/2 does not know', [[':status', '101']]],
    [
      'CR LF in a value',
      [
        [':status', '200'],
        ['a', 'b\r\nc: d'],
      ],
    ],
    [
      'an upper-case name',
      [
        [':status', '200'],
        ['Upper', 'b'],
      ],
    ],
    [
      'transfer-encoding',
      [
        [':status', '200'],
        ['transfer-encoding', 'chunked'],
      ],
    ],
    [
      'connection',
      [
        [':status', '200'],
        ['connection', 'close'],
      ],
    ],
    [
      'two different lengths',
      [
        [':status', '200'],
        ['content-length', '1'],
        ['content-length', '2'],
      ],
    ],
    [
      'a length and no body',
      [
        [':status', '200'],
        ['content-length', '5'],
      ],
    ],
  ])('%s', async (_, fields) => {
    let bad = true;
    await using both = await startHop(mesh, async (peer) => {
      for await (const { stream } of heads(peer)) {
        await peer.send(bad ? headers(stream, fields) : ok(stream));
        bad = false;
      }
    });
    expect((await both.caller.send()).status).toBe(502);
    expect(await both.origin.peers[0]!.reset(1)).toBe('PROTOCOL_ERROR');
    await recovers(both);
    expect(both.origin.peers).toHaveLength(1);
  });

  test('a body shorter than its length is not passed off as whole', async () => {
    await using both = await startHop(mesh, async (peer) => {
      for await (const { stream } of heads(peer))
        await peer.send(
          headers(
            stream,
            [
              [':status', '200'],
              ['content-length', '10'],
            ],
            END_HEADERS,
          ),
          data(stream, 'hello', END_STREAM),
        );
    });
    expect((await both.caller.send()).complete).toBe(false);
  });

  test('RST_STREAM in the middle of the answer shows as such', async () => {
    await using both = await startHop(mesh, async (peer) => {
      for await (const { stream } of heads(peer))
        await peer.send(
          headers(stream, [[':status', '200']], END_HEADERS),
          data(stream, 'half'),
          rst(stream, 'INTERNAL_ERROR'),
        );
    });
    expect(await both.caller.send()).toMatchObject({ status: 200, complete: false });
  });
});

test('a whole answer to a request whose body is not wanted reaches the caller', async () => {
  await using both = await startHop(mesh, async (peer) => {
    for await (const { stream } of heads(peer)) await peer.send(ok(stream, 'enough'), rst(stream, 'NO_ERROR'));
  });
  await using client = await both.caller.client();
  await client.send('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 1000000\r\n\r\nsome');
  expect(await client.response()).toMatchObject({ status: 200, body: 'enough' });
});

test('an endpoint that takes the connection and never says what it allows does not keep the request for ever', async () => {
  await using both = await startHop(mesh, () => {}, none, limits);
  expect([502, 503, 504]).toContain((await both.caller.send()).status);
});
