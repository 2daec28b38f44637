import { once } from 'node:events';
import { connect, type OutgoingHttpHeaders } from 'node:http2';
import { formatAddress } from '../../lib/address.ts';
import { manualClock } from '../../lib/clock.ts';
import type { Limits } from '../../sidecar/limits/limits.ts';
import { rawClient, requestText } from '../harness/client.ts';
import { http1Origin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

/** A sidecar with a service and limits of its own, and a clock that stands still. */
async function limited(limits: Partial<Limits>) {
  const clock = manualClock();
  const origin = await http1Origin('hello');
  const sidecar = await startTestSidecar({ services: { web: [origin.address] }, limits, clock });
  return {
    clock,
    origin,
    sidecar,
    async [Symbol.asyncDispose]() {
      await sidecar[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

describe('a head', () => {
  const field = (octets: number): string => `a: ${'x'.repeat(octets - 'a: \r\n'.length)}`;
  const large = `GET / HTTP/1.1\r\nhost: web\r\n${field(1024)}\r\n\r\n`;
  test.each<[string, Partial<Limits>, string, string]>([
    ['larger than it may be', { headOctets: 1024 }, large, 'HEAD_TOO_LARGE'],
    [
      'with more fields than it may have',
      { fields: 8 },
      requestText({ fields: Array(8).fill('a: b') }),
      'HEAD_TOO_LARGE',
    ],
    [
      'with a longer target than it may have',
      { targetOctets: 256 },
      requestText({ target: `/${'x'.repeat(256)}` }),
      'TARGET_TOO_LONG',
    ],
  ])('%s is refused, whole and octet by octet', async (_, limits, text, code) => {
    await using mesh = await limited(limits);
    await using whole = await mesh.sidecar.client();
    await whole.send(text);
    expect((await whole.response()).get('weft-error')).toBe(code);
    await using piecewise = await mesh.sidecar.client();
    const answer = piecewise.response();
    for (const octet of text) if (!piecewise.octets.closed) await piecewise.send(octet).catch(() => undefined);
    expect((await answer).get('weft-error')).toBe(code);
    expect(mesh.origin.requests).toEqual([]);
  });

  test.each<[string, Partial<Limits>, string]>([
    ['octets', { headOctets: large.length }, large],
    ['fields', { fields: 8 }, requestText({ fields: Array(7).fill('a: b') })],
    ['octets of target', { targetOctets: 256 }, requestText({ target: `/${'x'.repeat(255)}` })],
  ])('with just as many %s as it may have is taken', async (_, limits, text) => {
    await using mesh = await limited(limits);
    await using client = await mesh.sidecar.client();
    await client.send(text);
    expect((await client.response()).status).toBe(200);
  });
});

test.each<[string, Partial<Limits>, OutgoingHttpHeaders, number, string]>([
  ['head', { headOctets: 1024 }, { a: 'x'.repeat(1000) }, 431, 'HEAD_TOO_LARGE'],
  ['number of fields', { fields: 8 }, { a: Array(8).fill('b') }, 431, 'HEAD_TOO_LARGE'],
  ['target', { targetOctets: 256 }, { ':path': `/${'x'.repeat(256)}` }, 414, 'TARGET_TOO_LONG'],
  ['method', {}, { ':method': 'X'.repeat(65) }, 400, 'BAD_REQUEST'],
])('over HTTP/2 the %s has the same limit', async (_, limits, fields, status, code) => {
  await using mesh = await limited(limits);
  const session = connect(`http://${formatAddress(mesh.sidecar.outbound)}`);
  const ask = async (headers: OutgoingHttpHeaders): Promise<unknown[]> => {
    const stream = session.request({ ':authority': 'web', ...headers });
    stream.resume();
    const [answer] = await once(stream, 'response');
    return [answer[':status'], answer['weft-error']];
  };
  try {
    expect(await ask(fields)).toEqual([status, code]);
    expect(await ask({})).toEqual([200, undefined]);
  } finally {
    session.destroy();
  }
});

describe('time', () => {
  test('a head has the time that it is given', async () => {
    await using mesh = await limited({ headMs: 500 });
    await using client = await mesh.sidecar.client();
    await client.send('GET / HTTP/1.1\r\n');
    const answer = client.response();
    // When the octets arrive is not seen from here.
    for (let i = 0; i < 6; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      mesh.clock.advance(100);
    }
    expect((await answer).get('weft-error')).toBe('REQUEST_TIMEOUT');
  });

  test('an idle connection rests as long as it may', async () => {
    await using mesh = await limited({ idleMs: 500 });
    await using client = await mesh.sidecar.client();
    await client.send(requestText());
    await client.response();
    mesh.clock.advance(501);
    await client.over();
  });

  test('inbound, a request on which nothing moves is given up', async () => {
    const clock = manualClock();
    await using origin = await http1Origin(() => {});
    await using sidecar = await startTestSidecar({ app: origin.address, limits: { streamIdleMs: 2000 }, clock });
    await using client = await rawClient(sidecar.inbound);
    await client.send(requestText());
    await until('the service has the request', () => origin.requests.length === 1);
    clock.advance(2001);
    expect((await client.response()).get('weft-error')).toBe('STREAM_IDLE');
  });

  test('a body may come as slowly as it likes where no rate is asked for', async () => {
    await using mesh = await limited({ minBodyRate: 0 });
    await using client = await mesh.sidecar.client();
    await client.send('POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 5\r\n\r\nhell');
    await until('the request is under way', () => mesh.sidecar.underWay === 1);
    mesh.clock.advance(14_000);
    await client.send('o');
    expect((await client.response()).status).toBe(200);
  });

  test('a connection that has its age ends behind an answer, and not before', async () => {
    await using mesh = await limited({ connectionAgeMs: 60_000, idleMs: 3_600_000 });
    await using client = await mesh.sidecar.client();
    const connection = async (): Promise<string | undefined> => {
      await client.send(requestText());
      return (await client.response()).get('connection');
    };
    expect(await connection()).toBeUndefined();
    mesh.clock.advance(53_000);
    expect(await connection()).toBeUndefined();
    // Give or take a tenth.
    mesh.clock.advance(14_000);
    expect(client.octets.closed).toBe(false);
    expect(await connection()).toBe('close');
    await client.over();
  });
});
