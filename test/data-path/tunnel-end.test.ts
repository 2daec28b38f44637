import { manualClock } from '../../lib/clock.ts';
import {
  accepting,
  acceptText,
  askText,
  echo,
  ended,
  goOver,
  heard,
  recordOf,
  takeHead,
  tunnelled,
} from '../harness/tunnel.ts';
import { until } from '../harness/until.ts';

const policy = (kind: string, spec: string): string =>
  `apiVersion: weft.dev/v1\nkind: ${kind}\nmetadata: { name: web }\nspec: { targetRefs: [{ kind: Service, name: web }], ${spec} }\n`;

describe('a tunnel', () => {
  test('in which the caller ends first still carries the rest of the answer', async () => {
    await using mesh = await tunnelled(
      accepting(async (peer) => {
        await ended(peer);
        expect(peer.octets.text).toBe('all I have');
        peer.write('got it');
        await mesh.client.octets.until('it', (text) => text === 'got it' || undefined);
        peer.socket.end(', bye');
      }),
    );
    await goOver(mesh.client);
    await mesh.client.send('all I have');
    mesh.client.half();
    await mesh.client.over();
    expect([mesh.client.octets.text, mesh.client.octets.error]).toEqual(['got it, bye', undefined]);
    expect(await recordOf(mesh)).toMatchObject({ status: 101, code: '', requestBytes: 10, responseBytes: 11 });
  });

  test('in which the service ends first still carries what the caller has to say', async () => {
    await using mesh = await tunnelled(
      accepting(async (peer) => {
        peer.socket.end('that is all');
        await ended(peer);
        expect(peer.octets.text).toBe('not for me');
      }),
    );
    await goOver(mesh.client);
    await mesh.client.over();
    expect([mesh.client.octets.text, mesh.client.octets.error]).toEqual(['that is all', undefined]);
    expect(mesh.sidecar.underWay).toBe(1);
    await mesh.client.send('not for ');
    await heard(mesh.origin.peers[0]!, 'not for ');
    await mesh.client.send('me');
    mesh.client.half();
    expect(await recordOf(mesh)).toMatchObject({ status: 101, code: '', requestBytes: 10, responseBytes: 11 });
  });

  test('whose caller has ended before the answer carries what it has sent', async () => {
    const { promise: go, resolve } = Promise.withResolvers<void>();
    await using mesh = await tunnelled(async (peer) => {
      await peer.head();
      await go;
      peer.write(acceptText());
      await ended(peer);
      peer.socket.end(`${peer.octets.text}!`);
    });
    await mesh.client.send(`${askText()}last words`);
    mesh.client.half();
    await until('the service has the request', () => mesh.origin.peers.length === 1);
    resolve();
    await takeHead(mesh.client);
    await mesh.client.over();
    expect(mesh.client.octets.text).toBe('last words!');
    expect(await recordOf(mesh)).toMatchObject({ status: 101, code: '' });
  });

  test('that the service breaks off is broken off for the caller', async () => {
    await using mesh = await tunnelled(
      accepting(async (peer) => {
        await heard(peer, 'x');
        peer.socket.resetAndDestroy();
      }),
    );
    await goOver(mesh.client);
    await mesh.client.send('x');
    await mesh.client.over();
    await until('the connection is gone', () => mesh.client.octets.closed);
    expect(mesh.client.octets.error).toBe('ECONNRESET');
    expect(await recordOf(mesh)).toMatchObject({ status: 101, code: 'UPSTREAM_RESET' });
  });

  test('that the caller breaks off is broken off for the service', async () => {
    await using mesh = await tunnelled(accepting());
    await goOver(mesh.client);
    mesh.client.reset();
    await until('the service sees it', () => mesh.origin.peers[0]!.octets.closed);
    expect(mesh.origin.peers[0]!.octets.error).toBe('ECONNRESET');
    expect(await recordOf(mesh)).toMatchObject({ status: 101, code: 'DOWNSTREAM_GONE' });
  });

  test('that nobody accepts in time because its caller went away takes the request with it', async () => {
    await using mesh = await tunnelled(async (peer) => {
      await peer.head();
      await ended(peer);
    });
    await mesh.client.send(askText());
    await until('the service has the request', () => mesh.origin.peers.length === 1);
    mesh.client.reset();
    expect(await recordOf(mesh)).toMatchObject({ code: 'DOWNSTREAM_GONE' });
    await ended(mesh.origin.peers[0]!);
  });

  test('may rest for an hour, and no longer', async () => {
    const clock = manualClock();
    await using mesh = await tunnelled(accepting(), { clock, yaml: policy('TimeoutPolicy', 'idle: 1s') });
    await goOver(mesh.client);
    for (const [end, other] of [
      [mesh.client.socket, mesh.origin.peers[0]!],
      [mesh.origin.peers[0]!.socket, mesh.client],
    ] as const) {
      clock.advance(3_599_000);
      end.write('ping');
      await heard(other, 'ping');
    }
    clock.advance(3_600_001);
    await mesh.client.over();
    await ended(mesh.origin.peers[0]!);
    expect(await recordOf(mesh)).toMatchObject({
      status: 101,
      code: 'STREAM_IDLE',
      requestBytes: 4,
      responseBytes: 4,
      durationMs: 10_798_001,
    });
  });

  test.each(['client', 'origin'] as const)('that has ended at one side (%s) may rest for a minute', async (side) => {
    const clock = manualClock();
    await using mesh = await tunnelled(accepting(), { clock });
    await goOver(mesh.client);
    const [peer] = mesh.origin.peers;
    if (side === 'client') mesh.client.half();
    else peer!.socket.end();
    await ended(side === 'client' ? peer! : mesh.client);
    clock.advance(59_000);
    const [socket, other] = side === 'client' ? [peer!.socket, mesh.client] : [mesh.client.socket, peer!];
    socket.write('one more');
    await heard(other, 'one more');
    clock.advance(59_000);
    expect(mesh.sidecar.underWay).toBe(1);
    clock.advance(2000);
    expect(await recordOf(mesh)).toMatchObject({ status: 101, code: 'STREAM_IDLE' });
  });

  test('outlives the end of its listener for as long as a drain may take', async () => {
    const clock = manualClock();
    await using mesh = await tunnelled(accepting(), { clock });
    await goOver(mesh.client);
    let drained = false;
    const drain = mesh.sidecar.dataPlane.drain(5000).then(() => {
      drained = true;
    });
    clock.advance(4999);
    await mesh.client.send('still here');
    await heard(mesh.origin.peers[0]!, 'still here');
    expect(drained).toBe(false);
    clock.advance(1);
    await drain;
    await mesh.sidecar.dataPlane.close();
    await mesh.client.over();
    await ended(mesh.origin.peers[0]!);
    expect(await recordOf(mesh)).toMatchObject({ status: 101, code: 'DOWNSTREAM_GONE' });
  });

  test('that ends while draining lets the drain end', async () => {
    await using mesh = await tunnelled(accepting(echo));
    await goOver(mesh.client);
    const drain = mesh.sidecar.dataPlane.drain(60_000);
    mesh.client.half();
    await drain;
    expect(await recordOf(mesh)).toMatchObject({ status: 101, code: '' });
  });
});
