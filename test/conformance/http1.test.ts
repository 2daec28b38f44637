// Octets that a caller may send, by the rules of RFC 9110 and RFC 9112, and what the service gets of them.
import { dechunk, type RawClient, rawClient, requestText } from '../harness/client.ts';
import { type RawOrigin, rawOrigin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { type Case, cases } from './cases.ts';

interface Received {
  readonly head: string;
  readonly content: string;
}
let origin: RawOrigin;
let sidecar: TestSidecar;
let received: Received[];
let octets: string;
let problems: string[];

/** A reader that forgives nothing. Gives undefined while the request is not complete. */
function strict(text: string): (Received & { readonly length: number }) | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end + 2);
  const [line = '', ...fields] = head.slice(0, -2).split('\r\n');
  const wrong = (what: string): never => {
    throw new Error(`${what} in ${JSON.stringify(head)}`);
  };
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+ (?:\/[\x21-\x7e]*|\*) HTTP\/1\.1$/.test(line)) wrong('a bad request line');
  const values = new Map<string, string[]>();
  for (const field of fields) {
    const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(field) ?? wrong('a bad field');
    const name = found[1]!.toLowerCase();
    values.set(name, [...(values.get(name) ?? []), found[2]!]);
  }
  const [lengths = [], codings = []] = [values.get('content-length'), values.get('transfer-encoding')];
  if (values.get('host')?.length !== 1) wrong('not one host');
  if (lengths.length + codings.length > 1) wrong('two framings');
  if (codings.some((coding) => coding !== 'chunked')) wrong('a strange coding');
  if (lengths.some((length) => !/^(?:0|[1-9][0-9]*)$/.test(length))) wrong('a strange length');
  for (const name of ['connection', 'keep-alive', 'te', 'trailer', 'upgrade', 'proxy-connection'])
    if (values.has(name)) wrong(name);
  const rest = text.slice(end + 4);
  if (codings.length > 0) {
    const { body, length, done } = dechunk(rest);
    return done ? { head, content: body, length: end + 4 + length } : undefined;
  }
  const length = Number(lengths[0] ?? 0);
  return rest.length < length ? undefined : { head, content: rest.slice(0, length), length: end + 4 + length };
}

beforeAll(async () => {
  origin = await rawOrigin(async (peer) => {
    peer.socket.on('data', (chunk: string) => {
      octets += chunk;
    });
    for (;;) {
      const request = await peer.octets
        .until('a request', (text, over) => (over ? null : strict(text)))
        .catch((error: Error) => void problems.push(error.message));
      if (!request) return;
      peer.octets.drop(request.length);
      received.push(request);
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
  received = [];
  octets = '';
  problems = [];
});

/** The ways in which the same octets can come. */
const modes: Readonly<Record<string, (text: string) => readonly string[]>> = {
  whole: (text) => [text],
  'octet by octet': (text) => (text.length > 3000 ? (text.match(/.{1,997}/gs) ?? []) : [...text]),
  'cut between CR and LF': (text) => text.split(/(?<=\r)(?=\n)/),
  'behind another request': (text) => [text],
};

/** Sends the pieces; that the other end has closed before the last one is its right. */
async function sendAll(client: RawClient, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    if (client.octets.ended || client.octets.closed) return;
    await client.send(piece).catch(() => undefined);
  }
}

async function run(given: Case, mode: string): Promise<void> {
  await using client = await rawClient(sidecar.outbound);
  if (mode === 'behind another request') {
    await client.send(requestText());
    expect((await client.response()).status).toBe(200);
    received = [];
    octets = '';
  }
  const sent = sendAll(client, modes[mode]!(given.octets));
  expect((await client.response()).status).toBe(given.status);
  for (let i = 1; i < given.requests; i++) expect((await client.response()).status).toBe(200);
  await sent;
  if (given.closes) await client.over();
  else {
    // The connection is where it should be: the next request on it is understood.
    await client.send(requestText({ target: '/next' }));
    expect((await client.response()).status).toBe(200);
    expect(received.pop()!.head).toMatch(/^GET \/next /);
  }
  expect(client.octets.text).toBe('');
  // So are those to the service: whoever comes next gets their own answer.
  expect((await sidecar.send({ target: '/probe' })).body).toBe('ok');
  expect(received.pop()!.head).toMatch(/^GET \/probe /);
  expect(received).toHaveLength(given.requests);
  if (given.gets !== undefined) expect(received[0]!.head + received[0]!.content).toMatch(given.gets);
  if (given.never !== undefined) expect(octets).not.toMatch(given.never);
  expect(problems).toEqual([]);
}

describe.each(Object.keys(modes))('%s', (mode) => {
  test.each(cases.map((one) => [one.name, one] as const))('%s', (_, one) => run(one, mode));
});
