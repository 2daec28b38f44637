// What gRPC callers hear of the mesh itself: its errors, and its deadlines where the caller does not keep its own.
import {
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../../lib/address.ts';
import { type AppCall, grpcCaller, grpcOrigin } from '../harness/grpc.ts';
import { makeIdentities } from '../harness/identities.ts';
import { refusedAddress } from '../harness/refused.ts';
import { startTestSidecar } from '../harness/sidecar.ts';

const timeout = (spec: string): string => `
apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: short }
spec: { targetRefs: [{ kind: Service, name: web }], ${spec} }
`;
const cancelled = (call: AppCall): Promise<unknown> =>
  call.cancelled ? Promise.resolve() : new Promise((resolve) => call.on('cancelled', resolve));
const heard = ({ code, details, metadata }: StatusObject) => [code, details, ...metadata.get('weft-error')];

test.each([
  ['web', status.UNAVAILABLE, 'NO_ENDPOINT', 'the service has no endpoint that is ready'],
  ['nobody', status.UNIMPLEMENTED, 'NO_SERVICE', 'no service of this name is in the mesh'],
])('a call to %s is %d, and says %s', async (service, code, error, text) => {
  await using sidecar = await startTestSidecar({ services: { web: [] }, absent: ['default/nobody'] });
  using client = grpcCaller(sidecar.outbound, service);
  expect(heard((await client.ask('hello')) as StatusObject)).toEqual([code, `${error}: ${text}`, error]);
  expect(sidecar.records[0]).toMatchObject({ status: 200, grpcStatus: code, code: error });
});

test('what the sidecar of the service says itself reaches the caller, and both count it as a failure', async () => {
  const mesh = await makeIdentities();
  await using callee = await startTestSidecar({
    name: 'web',
    app: await refusedAddress(),
    mtls: 'strict',
    credentials: await mesh.live('web'),
  });
  await using caller = await startTestSidecar({
    services: { web: [{ at: callee.inbound, identity: mesh.id('web') }] },
    credentials: await mesh.live('shop'),
    yaml: timeout('request: 10s'),
  });
  using client = grpcCaller(caller.outbound);
  const ended = (await client.ask('hello')) as StatusObject;
  expect([ended.code, ...ended.metadata.get('weft-error')]).toEqual([status.UNAVAILABLE, 'UPSTREAM_CONNECT']);
  for (const { records } of [caller, callee])
    expect(records[0]).toMatchObject({ grpcStatus: status.UNAVAILABLE, code: 'UPSTREAM_CONNECT' });
});

test('an app cannot speak in the name of the mesh, neither in a head nor in trailers', async () => {
  const lie = new Metadata();
  lie.set('weft-error', 'OVERLOADED');
  await using app = await grpcOrigin((call, calls) => {
    if (calls.length > 1) call.write('hello');
    call.emit('error', { code: status.UNAVAILABLE, details: 'lie', metadata: lie });
  });
  await using sidecar = await startTestSidecar({ services: { web: [app.address] } });
  using client = grpcCaller(sidecar.outbound);
  expect(heard((await client.ask('a')) as StatusObject)).toEqual([status.UNAVAILABLE, 'lie']);
  expect(heard((await client.ask('b')) as StatusObject)).toEqual([status.UNAVAILABLE, 'lie']);
  expect(app.calls).toHaveLength(2);
});

test('a policy that gives a call less time than its caller is named in the answer', async () => {
  await using app = await grpcOrigin(() => undefined);
  await using sidecar = await startTestSidecar({
    services: { web: [app.address] },
    yaml: timeout('request: 100ms'),
  });
  using client = grpcCaller(sidecar.outbound);
  const call = client.call(undefined, { deadline: Date.now() + 60_000 });
  const { code, details } = await call.status;
  expect([code, details]).toEqual([status.DEADLINE_EXCEEDED, expect.stringContaining('(TimeoutPolicy default/short)')]);
  await cancelled(app.calls[0]!);
});

test('a request that is called gRPC and comes by HTTP/1.1 is a request like any other', async () => {
  await using sidecar = await startTestSidecar({ services: { web: [] } });
  const answer = await sidecar.send({ method: 'POST', body: 'x', fields: ['content-type: application/grpc'] });
  expect([answer.status, answer.get('content-type')]).toEqual([503, 'application/problem+json']);
  expect(sidecar.records[0]).toMatchObject({ status: 503, grpcStatus: -1 });
});

/** A caller that says how long it waits, and waits on. */
function patientCall(via: Address, fields: Record<string, string>) {
  const session = connect(`http://${formatAddress(via)}`);
  const stream: ClientHttp2Stream = session.request({
    ':method': 'POST',
    ':path': '/test.Talk/Talk',
    ':authority': 'web',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...fields,
  });
  const said: Record<string, unknown> = {};
  stream.on('response', (head) => Object.assign(said, head));
  stream.on('trailers', (trailers) => Object.assign(said, trailers));
  stream.resume();
  const ended = new Promise<Record<string, unknown>>((resolve) => stream.on('close', () => resolve(said)));
  return {
    stream,
    /** Head and trailers, and the code of the reset. */
    ended: ended.then((all) => ({ ...all, reset: stream.rstCode })),
    [Symbol.dispose]: () => session.destroy(),
  };
}

/** An app that knows nothing of deadlines and does `answer` with each call. */
async function carelessApp(answer: (stream: ServerHttp2Stream) => void) {
  const server = createServer();
  const heads: IncomingHttpHeaders[] = [];
  const resets: Promise<number>[] = [];
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream: ServerHttp2Stream, head) => {
    heads.push(head);
    resets.push(new Promise((resolve) => stream.on('close', () => resolve(stream.rstCode))));
    stream.on('error', () => undefined);
    answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    heads,
    /** The code of the reset that ended each call; 0 for none. */
    resets,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
const begin = (stream: ServerHttp2Stream): void => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.write('\0\0\0\0\x01a');
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
};

describe('a call that neither its caller nor the app ends in time', () => {
  test('is ended by the sidecar, for both', async () => {
    await using app = await carelessApp(() => undefined);
    await using sidecar = await startTestSidecar({ services: { web: [app.address] } });
    using call = patientCall(sidecar.outbound, { 'grpc-timeout': '100m' });
    expect(await call.ended).toMatchObject({
      ':status': 200,
      'grpc-status': '4',
      'grpc-message': expect.stringMatching(/^REQUEST_DEADLINE: /),
      'weft-error': 'REQUEST_DEADLINE',
      reset: constants.NGHTTP2_NO_ERROR,
    });
    expect(await app.resets[0]).toBe(constants.NGHTTP2_CANCEL);
    expect(sidecar.records[0]).toMatchObject({ code: 'REQUEST_DEADLINE', policy: '', grpcStatus: 4 });
    expect(sidecar.records[0]!.durationMs).toBeGreaterThan(100);
  });

  test('is ended in the middle of its answer, too', async () => {
    await using app = await carelessApp(begin);
    await using sidecar = await startTestSidecar({ services: { web: [app.address] } });
    using call = patientCall(sidecar.outbound, { 'grpc-timeout': '200000u' });
    expect(await call.ended).toMatchObject({
      ':status': 200,
      'grpc-status': '4',
      'weft-error': 'REQUEST_DEADLINE',
      reset: constants.NGHTTP2_NO_ERROR,
    });
    expect(await app.resets[0]).toBe(constants.NGHTTP2_CANCEL);
    expect(sidecar.records[0]).toMatchObject({ code: 'REQUEST_DEADLINE', grpcStatus: 4, responseBytes: 6 });
  });

  test('is ended by the app where that keeps the deadline, with its own words', async () => {
    await using app = await grpcOrigin(() => undefined);
    await using sidecar = await startTestSidecar({ services: { web: [app.address] } });
    using call = patientCall(sidecar.outbound, { 'grpc-timeout': '100m' });
    expect(await call.ended).toMatchObject({ 'grpc-status': '4', 'grpc-message': 'Deadline%20exceeded' });
    expect(sidecar.records[0]).toMatchObject({ code: '', grpcStatus: 4 });
  });

  test.each(['0S', '123456789m', '1', 'soon'])(
    'lasts where the deadline is %s, which the app may judge',
    async (value) => {
      await using app = await carelessApp((stream) => {
        begin(stream);
        stream.end();
      });
      await using sidecar = await startTestSidecar({ services: { web: [app.address] } });
      using call = patientCall(sidecar.outbound, { 'grpc-timeout': value });
      call.stream.end();
      expect(await call.ended).toMatchObject({ ':status': 200, 'grpc-status': '0' });
      expect(app.heads[0]!['grpc-timeout']).toBe(value);
    },
  );
});
