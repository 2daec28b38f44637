// Requests over HTTP/2 as they must not be, by the rules of RFC 9113 section 8, and what the service gets of them. Its
// own connection speaks HTTP/1.1, where what slips through would mean something else.

import { type H2Peer, h2Client, refusal } from '../harness/h2.ts';
import { data, END_HEADERS, END_STREAM, frame, headers, request, rst } from '../harness/h2-frames.ts';
import { type FieldList, literals } from '../harness/hpack.ts';
import { type RawOrigin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { until } from '../harness/until.ts';

/** How long the first request in the text is, once all of it is there; with chunks or without a body. */
function whole(text: string): number | undefined {
  const end = text.indexOf('\r\n\r\n') + 4;
  if (end < 4) return undefined;
  if (!/^transfer-encoding: chunked/im.test(text.slice(0, end))) return end;
  const last = /(?:^|\r\n)0\r\n\r\n/.exec(text.slice(end));
  return last === null ? undefined : end + last.index + last[0].length;
}

let origin: RawOrigin;
let sidecar: TestSidecar;
/** All that the service got in this test. */
let octets: string;
beforeAll(async () => {
  origin = await rawOrigin(async (peer) => {
    peer.socket.on('data', (chunk: string) => {
      octets += chunk;
    });
    for (;;) {
      // A connection that breaks off is what many of these requests deserve.
      const request = await peer.octets.until('a request', (text, over) => whole(text) ?? (over ? 0 : undefined));
      if (request === 0) return;
      peer.octets.drop(request);
      peer.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    }
  });
  sidecar = await startTestSidecar({ services: { web: [origin.address] } });
});
afterAll(async () => {
  await sidecar[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});
beforeEach(() => {
  octets = '';
});

/** Another caller is served, and gets its own answer. */
async function probe(): Promise<void> {
  await using other = await h2Client(sidecar.outbound);
  await other.send(headers(1, request({ ':path': '/probe' })));
  expect((await other.message(1)).body).toBe('ok');
  expect((await sidecar.send({ target: '/probe' })).body).toBe('ok');
  octets = octets.replaceAll(/GET \/probe HTTP\/1\.1\r\n.*?\r\n\r\n/gs, '');
}

const malformed = ['RST PROTOCOL_ERROR'];
const refused = ['RST PROTOCOL_ERROR', '400'];
interface Bad {
  readonly fields: FieldList;
  /** Its answers, any of them. */
  readonly gets?: readonly string[];
}
const bad: Readonly<Record<string, Bad>> = {
  'CR LF in a value': { fields: request({}, ['a', 'b\r\nc: de']) },
  'LF alone in a value': { fields: request({}, ['a', 'b\nc: de']) },
  'CR alone in a value': { fields: request({}, ['a', 'b\rc: de']) },
  'NUL in a value': { fields: request({}, ['a', 'b\0c']) },
  'CR LF in a name': { fields: request({}, ['a: b\r\nc', 'd']) },
  'a colon in a name': { fields: request({}, ['a:b', 'c']) },
  'an empty name': { fields: request({}, ['', 'b']) },
  'a space in a name': { fields: request({}, ['a b', 'c']) },
  'an octet beyond ASCII in a name': { fields: request({}, ['\xe9', 'c']) },
  'an upper-case name': { fields: request({}, ['Foo', 'b']) },
  'CR LF in the path': { fields: request({ ':path': '/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nx: x' }) },
  'CR LF in the method': { fields: request({ ':method': 'POST / HTTP/1.1\r\nHost: x' }) },
  'CR LF in the authority': { fields: request({ ':authority': 'web:80\r\nx: y' }) },
  'CR LF in the scheme': { fields: request({ ':scheme': 'http\r\nx: y' }) },
  'a space in the method': { fields: request({ ':method': 'GET /admin HTTP/1.1' }) },
  'an empty method': { fields: request({ ':method': '' }) },
  'a scheme that is a URL': { fields: request({ ':scheme': 'https://evil/' }), gets: refused },
  'a space in the path': { fields: request({ ':path': '/a b' }), gets: refused },
  'a path without slash': { fields: request({ ':path': 'a' }), gets: refused },
  'an empty path': { fields: request({ ':path': '' }) },
  'an asterisk as the path of a GET': { fields: request({ ':path': '*' }), gets: refused },
  'a fragment in the path': { fields: request({ ':path': '/a#b' }), gets: refused },
  'a user in the authority': { fields: request({ ':authority': 'user@web' }), gets: refused },
  'an empty authority': { fields: request({ ':authority': '' }), gets: refused },
  'no authority and no host': { fields: request({ ':authority': undefined }), gets: refused },
  'a length without a body': { fields: request({}, ['content-length', '44']) },
  'two different lengths': { fields: request({}, ['content-length', '0'], ['content-length', '1']), gets: refused },
  'a length that is no number': { fields: request({}, ['content-length', '+0']), gets: refused },
  'transfer-encoding': { fields: request({}, ['transfer-encoding', 'chunked']) },
  connection: { fields: request({}, ['connection', 'close']) },
  'keep-alive': { fields: request({}, ['keep-alive', 'timeout=5']) },
  'proxy-connection': { fields: request({}, ['proxy-connection', 'close']) },
  upgrade: { fields: request({}, ['upgrade', 'h2c']) },
  'te with more than trailers': { fields: request({}, ['te', 'gzip']) },
  'two authorities': { fields: [...request(), [':authority', 'other']] },
  'two paths': { fields: [...request(), [':path', '/admin']] },
  'two methods': { fields: [...request(), [':method', 'POST']] },
  'a pseudo-header field behind others': { fields: [...request({ ':path': undefined }), ['a', 'b'], [':path', '/']] },
  'an unknown pseudo-header field': { fields: [...request(), [':foo', 'bar']] },
  'a status in a request': { fields: [...request(), [':status', '200']] },
  'no method': { fields: request({ ':method': undefined }) },
  'no scheme': { fields: request({ ':scheme': undefined }) },
  'no path': { fields: request({ ':path': undefined }) },
  'a value that begins with a space': { fields: request({}, ['a', ' b']) },
  'a value that ends with a tab': { fields: request({}, ['a', 'b\t']) },
  ':protocol without CONNECT': { fields: [...request(), [':protocol', 'websocket']] },
  'CONNECT with a path': { fields: request({ ':method': 'CONNECT', ':scheme': undefined }), gets: [...refused, '501'] },
  CONNECT: {
    fields: request({ ':method': 'CONNECT', ':scheme': undefined, ':path': undefined }),
    gets: ['RST PROTOCOL_ERROR', '400', '405', '501'],
  },
};

const modes: Readonly<Record<string, (peer: H2Peer, all: Buffer) => Promise<void>>> = {
  whole: (peer, all) => peer.send(all),
  'octet by octet': async (peer, all) => {
    for (const octet of all) await peer.send(Buffer.from([octet]));
  },
};

describe.each(Object.entries(modes))('refused, sent %s', (_, send) => {
  test.each(Object.entries(bad))('%s', async (__, { fields, gets = malformed }) => {
    await using peer = await h2Client(sidecar.outbound);
    await send(peer, headers(1, fields));
    expect(gets).toContain(await refusal(peer, 1));
    // The fault of one stream is not that of the connection: the next request is understood.
    await peer.send(headers(3, request({ ':path': '/probe' })));
    expect((await peer.message(3)).body).toBe('ok');
    await probe();
    expect(octets).toBe('');
  });
});

test('a path in absolute form, another host beside the authority: the service gets one host, that of the authority', async () => {
  await using peer = await h2Client(sidecar.outbound);
  await peer.send(headers(1, request({}, ['host', 'other'])));
  const gets = await refusal(peer, 1);
  expect(['RST PROTOCOL_ERROR', '400', '200']).toContain(gets);
  expect(octets.match(/^host: .*$/gim) ?? []).toEqual(gets === '200' ? ['host: web'] : []);
});

test('crumbs of a cookie become one field', async () => {
  await using peer = await h2Client(sidecar.outbound);
  await peer.send(headers(1, request({}, ['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2'], ['cookie', 'c=3'])));
  expect((await peer.message(1)).body).toBe('ok');
  expect(octets.match(/^cookie: .*$/gim)).toEqual(['cookie: a=1; b=2; c=3']);
});

test('te: trailers is let pass by HTTP/2 and not handed on as a promise of the mesh', async () => {
  await using peer = await h2Client(sidecar.outbound);
  await peer.send(headers(1, request({}, ['te', 'trailers'])));
  expect((await peer.message(1)).body).toBe('ok');
});

describe('a body', () => {
  const post = (...more: FieldList): Buffer => headers(1, request({ ':method': 'POST' }, ...more), END_HEADERS);
  const gone = (): Promise<void> => until('no request is open at the service', () => sidecar.underWay === 0);

  test.each([
    ['shorter than its length', [data(1, 'hello', END_STREAM)]],
    ['longer than its length', [data(1, 'hello'), data(1, 'world!', END_STREAM)]],
    ['longer than its length, without an end', [data(1, 'hello world')]],
  ])('%s: the stream is broken off, and so is the request to the service', async (_, frames) => {
    await using peer = await h2Client(sidecar.outbound);
    await peer.send(post(['content-length', '10']), ...frames);
    expect(await refusal(peer, 1)).toBe('RST PROTOCOL_ERROR');
    await gone();
    // What has been sent, if anything, is not a whole request, and nothing follows on that connection.
    const [, content = ''] = octets.split('\r\n\r\n');
    expect(content.length).toBeLessThan(10);
    await probe();
  });

  const part = Buffer.alloc(100, 'x');
  test.each([
    [
      'the connection breaks off in the middle of a frame',
      frame('DATA', 0, 1, part, 16_384),
      (peer: H2Peer) => void peer.socket.resetAndDestroy(),
    ],
    ['the stream is reset behind a frame', data(1, part), (peer: H2Peer) => peer.send(rst(1))],
  ])('is handed to the service as far as it has come, and is no whole one, when %s', async (_, octetsSent, end) => {
    await using peer = await h2Client(sidecar.outbound);
    await peer.send(post(), octetsSent);
    await until('the request is under way', () => sidecar.underWay === 1);
    await end(peer);
    await gone();
    const [, ...content] = octets.split('\r\n\r\n');
    // A chunk says how much has come, not how much was announced.
    expect(content.join('')).toMatch(/^(?:64\r\nx{100}\r\n)?$/);
    await probe();
  });

  test('whose trailers do not end the stream', async () => {
    await using peer = await h2Client(sidecar.outbound);
    await peer.send(post(), data(1, 'hello'), frame('HEADERS', END_HEADERS, 1, literals([['x', 'y']])));
    expect(await refusal(peer, 1)).toBe('RST PROTOCOL_ERROR');
    await gone();
    expect(octets).not.toMatch(/\r\n0\r\n/);
    await probe();
  });

  test.each([
    ['a pseudo-header field', [':path', '/']],
    ['an upper-case name', ['X', 'y']],
    ['CR LF in a value', ['x', 'y\r\nz: a']],
    ['connection', ['connection', 'close']],
  ] as const)('whose trailers have %s', async (_, field) => {
    await using peer = await h2Client(sidecar.outbound);
    await peer.send(post(), data(1, 'hello'), headers(1, [field]));
    expect(await refusal(peer, 1)).toBe('RST PROTOCOL_ERROR');
    await gone();
    expect(octets).not.toMatch(/\r\n0\r\n/);
    await probe();
  });
});
