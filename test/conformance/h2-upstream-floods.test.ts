// What an endpoint may not do to the connection of the sidecar that calls it: the connection is ended, within bounds.

import { flood, refusal } from '../harness/h2.ts';
import {
  ACK,
  data,
  END_HEADERS,
  frame,
  headers,
  none,
  request,
  SETTING,
  settings,
  uint32,
  windowUpdate,
} from '../harness/h2-frames.ts';
import { recovers, serve, startHop } from '../harness/h2-hop.ts';
import { literals } from '../harness/hpack.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { grown, MB } from '../harness/memory.ts';
import { until } from '../harness/until.ts';

let mesh: Identities;
beforeAll(async () => {
  mesh = await makeIdentities();
});

describe('the connection is ended, the caller gets 502, and the next request is served', () => {
  const head = headers(1, [[':status', '200']], END_HEADERS);
  test.each([
    [
      'PUSH_PROMISE',
      'PROTOCOL_ERROR',
      frame('PUSH_PROMISE', END_HEADERS, 1, Buffer.concat([uint32(2), literals(request())])),
    ],
    ['a stream of its own', 'PROTOCOL_ERROR', headers(2, [[':status', '200']])],
    ['an answer to what was never asked', 'PROTOCOL_ERROR', headers(101, [[':status', '200']])],
    ['data on a stream that there is not', 'PROTOCOL_ERROR', data(101, 'x')],
    [
      'a window beyond its largest size',
      'FLOW_CONTROL_ERROR',
      Buffer.concat([windowUpdate(0, 0x7fffffff), windowUpdate(0, 0x7fffffff)]),
    ],
    ['a window update of nothing', 'PROTOCOL_ERROR', windowUpdate(0, 0)],
    ['a block that cannot be decoded', 'COMPRESSION_ERROR', frame('HEADERS', END_HEADERS, 1, Buffer.from([0x80]))],
    ['a frame larger than we take', 'FRAME_SIZE_ERROR', data(1, Buffer.alloc(16_385))],
    ['SETTINGS on a stream', 'PROTOCOL_ERROR', frame('SETTINGS', 0, 1)],
    ['SETTINGS of half an entry', 'FRAME_SIZE_ERROR', frame('SETTINGS', 0, 0, uint32(1))],
    ['a frame in the middle of a block', 'PROTOCOL_ERROR', Buffer.concat([frame('HEADERS', 0, 1), data(1, 'x')])],
    ['permission to push', 'PROTOCOL_ERROR', settings([SETTING.ENABLE_PUSH, 1])],
  ] as const)('%s', async (_, error, octets) => {
    await using both = await startHop(mesh, async (peer, number) => {
      if (number > 1) return serve(peer);
      await peer.frame('HEADERS');
      return peer.send(octets);
    });
    expect((await both.caller.send({ method: 'POST', body: 'x' })).status).toBe(502);
    expect(await both.origin.peers[0]!.goaway()).toBe(error);
    await recovers(both);
  });

  test.each([
    ['ORIGIN', none, frame('ORIGIN', 0, 0)],
    ['ALTSVC', none, frame('ALTSVC', 0, 0, Buffer.from([0, 1, 0x61]))],
    ['PING', none, frame('PING', 0, 0, Buffer.alloc(8))],
    ['SETTINGS', none, settings()],
    ['acknowledged SETTINGS that nobody sent', none, frame('SETTINGS', ACK, 0)],
    ['DATA without content', head, data(1, '')],
    ['CONTINUATION', frame('HEADERS', 0, 1), frame('CONTINUATION', 0, 1, literals([['a', 'x'.repeat(10_000)]]))],
    ['CONTINUATION without content', frame('HEADERS', 0, 1), frame('CONTINUATION', 0, 1)],
    ['window updates', none, windowUpdate(0, 1)],
  ])('a flood of %s', async (_, before, one) => {
    const batch = Buffer.concat(Array.from({ length: 50 }, () => one));
    await using both = await startHop(mesh, async (peer, number) => {
      if (number > 1) return serve(peer);
      await peer.frame('HEADERS');
      await peer.send(before);
      return flood(peer, 400, () => batch);
    });
    const held = await grown(async () => {
      // One that would not be repeated: on another connection it would be served.
      const { status, complete } = await both.caller.send({ method: 'POST', body: 'x' });
      expect([status === 502, complete]).not.toEqual([false, true]);
      await both.origin.peers[0]!.closed();
    });
    expect(held).toBeLessThan(16 * MB);
    await recovers(both);
  });

  test('more interim responses than anybody needs break the stream off', async () => {
    const one = headers(1, [[':status', '103']], END_HEADERS);
    await using both = await startHop(mesh, async (peer, number) => {
      if (number > 1) return serve(peer);
      await peer.frame('HEADERS');
      return peer.send(...Array.from({ length: 500 }, () => one));
    });
    expect((await both.caller.send()).status).toBe(502);
    expect(await refusal(both.origin.peers[0]!, 1)).toMatch(/^(?:RST|GOAWAY)/);
  });

  test('more data than was asked for, for a caller who does not read, breaks the stream off', async () => {
    const piece = data(1, Buffer.alloc(16_384));
    await using both = await startHop(mesh, async (peer, number) => {
      if (number > 1) return serve(peer);
      await peer.frame('HEADERS');
      await peer.send(head);
      for (let i = 0; i < 2000 && !peer.frames.some(({ type }) => type === 'RST_STREAM'); i++) await peer.send(piece);
    });
    await using client = await both.caller.client();
    client.socket.pause();
    await client.send('GET / HTTP/1.1\r\nHost: web\r\n\r\n');
    await until('the endpoint has been called', () => both.origin.peers.length === 1);
    const held = await grown(async () => {
      expect(await refusal(both.origin.peers[0]!, 1)).toMatch(/^(?:RST|GOAWAY) FLOW_CONTROL_ERROR$/);
    });
    expect(held).toBeLessThan(16 * MB);
  });
});
