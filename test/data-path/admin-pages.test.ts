// The admin pages over the inbound listener: for the control plane alone, and to be read only.
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { ADMIN_PROTOCOL } from '../../sidecar/admin/over-mesh.ts';
import { answerTo } from '../../sidecar/admin/pages.ts';
import { adminClient, adminParts, asked, controlPlane, exchange, statusOf } from '../harness/admin.ts';
import { type CertOptions, makeRoot, purposes, type TestCert } from '../harness/certs.ts';
import { type Identities, makeIdentities } from '../harness/identities.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecarOptions } from '../harness/sidecar.ts';

let mesh: Identities;
let drained: number;
beforeAll(async () => {
  mesh = await makeIdentities();
});
beforeEach(() => {
  drained = 0;
});
const readPage = async (target: string) =>
  answerTo(
    adminParts(() => void drained++),
    'GET',
    target,
  );
const options = async (app: Origin, more: Partial<TestSidecarOptions> = {}): Promise<TestSidecarOptions> => ({
  name: 'web',
  app: app.address,
  mtls: 'strict',
  credentials: await mesh.live('web'),
  readPage,
  ...more,
});

const clientOf = (given?: CertOptions, by?: TestCert) => adminClient(mesh, given, by);

test('the control plane reads pages, several on one connection', async () => {
  await using app = await http1Origin();
  await using sidecar = await startTestSidecar(await options(app));
  const client = await clientOf();
  const answer = await exchange(
    sidecar.inbound,
    client,
    `GET /ready HTTP/1.1\r\nHost: x\r\n\r\nHEAD /config HTTP/1.1\r\nHost: x\r\n\r\n${asked('GET', '/metrics?x=1')}`,
  );
  expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
  expect(answer).toContain('weft_x 1\n');
  expect(answer).not.toContain('"revision"');
  expect(app.requests).toEqual([]);
  expect(sidecar.records).toEqual([]);
});

test('a page that fails tells nothing of the reason', async () => {
  await using app = await http1Origin();
  await using sidecar = await startTestSidecar(await options(app));
  const answer = await exchange(sidecar.inbound, await clientOf(), asked('GET', '/info'));
  expect(statusOf(answer)).toBe('500');
  expect(answer).not.toContain('secret');
  expect(sidecar.log.join()).toContain('secret');
});

describe('nobody else is let in', () => {
  test.each<[string, CertOptions]>([
    ['another service', { uris: ['spiffe://weft.test/ns/default/sa/cart'] }],
    ['the service itself', { uris: ['spiffe://weft.test/ns/default/sa/web'] }],
    ['a service of this name in another namespace', { uris: ['spiffe://weft.test/ns/default/sa/control-plane'] }],
    ['another service of that namespace', { uris: ['spiffe://weft.test/ns/weft/sa/control-plane-2'] }],
    ['the control plane of another trust domain', { uris: ['spiffe://weft.other/ns/weft/sa/control-plane'] }],
    ['two names, one of which is right', { uris: [controlPlane, 'spiffe://weft.test/ns/default/sa/cart'] }],
    ['another case', { uris: ['spiffe://weft.test/ns/weft/sa/Control-Plane'] }],
    ['a path behind the name', { uris: [`${controlPlane}/x`] }],
    ['the name as a host name', { uris: [], dns: ['control-plane'] }],
    ['a certificate that has ended', { notBefore: -7_200_000, notAfter: -3_600_000 }],
    ['a certificate for servers only', { extKeyUsage: [purposes.serverAuth] }],
  ])('%s', async (_, certificate) => {
    await using app = await http1Origin();
    await using sidecar = await startTestSidecar(await options(app));
    const answer = await exchange(sidecar.inbound, await clientOf(certificate), asked('GET', '/metrics'));
    expect(answer).toMatch(/^!/);
    expect(app.requests).toEqual([]);
  });

  test('a name that another root has signed', async () => {
    await using app = await http1Origin();
    await using sidecar = await startTestSidecar(await options(app));
    const client = await clientOf({}, await makeRoot());
    expect(await exchange(sidecar.inbound, client, asked('GET', '/metrics'))).toMatch(/^!/);
  });

  test('no certificate', async () => {
    await using app = await http1Origin();
    await using sidecar = await startTestSidecar(await options(app));
    const { secureContext: _, ...client } = await clientOf();
    const answer = await exchange(sidecar.inbound, { ...client, ca: mesh.root.pem }, asked('GET', '/metrics'));
    expect(answer).toBe('!ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
  });

  test.each(['strict', 'permissive'] as const)('plain text, with mtls %s', async (mtls) => {
    await using app = await http1Origin('the app');
    await using sidecar = await startTestSidecar(await options(app, { mtls }));
    if (!('port' in sidecar.inbound)) throw new Error('no port');
    const socket = connectPlain(sidecar.inbound.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.end(asked('GET', '/metrics'));
    await once(socket, 'close');
    // Where plain text is taken, it is a request for the app, like any other.
    if (mtls === 'strict') expect(answer).not.toMatch(/^HTTP/);
    else expect(answer).toContain('the app');
    expect(answer).not.toContain('weft_x');
  });

  test('the connection says what it is for, not its path or its Host', async () => {
    await using app = await http1Origin('the app');
    await using sidecar = await startTestSidecar(await options(app));
    const client = { ...(await clientOf()), ALPNProtocols: ['http/1.1'] };
    const request = `GET /metrics HTTP/1.1\r\nHost: ${ADMIN_PROTOCOL}\r\nConnection: close\r\n\r\n`;
    expect(await exchange(sidecar.inbound, client, request)).toContain('the app');
    expect(app.requests).toHaveLength(1);
  });

  test('a sidecar without pages to give does not take such connections', async () => {
    await using app = await http1Origin();
    await using sidecar = await startTestSidecar(await options(app, { readPage: undefined }));
    const answer = await exchange(sidecar.inbound, await clientOf(), asked('GET', '/metrics'));
    expect(answer).toBe('!EPROTO');
  });
});

describe('nothing is done', () => {
  test.each([
    ['POST', '/drain', '405'],
    ['GET', '/drain', '405'],
    ['HEAD', '/drain', '405'],
    ['PUT', '/drain', '405'],
    ['DELETE', '/config', '405'],
    ['POST', '/ready', '405'],
    ['OPTIONS', '*', '405'],
    ['GET', '//drain', '404'],
    ['GET', '/ready/../drain', '404'],
    ['GET', '/%64rain', '404'],
    ['GET', 'http://127.0.0.1:15000/ready', '404'],
    ['GET', '/ready/', '404'],
    ['GET', '/ready;x', '404'],
  ])('%s %s is answered with %s', async (method, target, status) => {
    await using app = await http1Origin();
    await using sidecar = await startTestSidecar(await options(app));
    const answer = await exchange(sidecar.inbound, await clientOf(), asked(method, target, 'Content-Length: 0\r\n'));
    expect(statusOf(answer)).toBe(status);
    expect(drained).toBe(0);
    expect(app.requests).toEqual([]);
  });

  test('a request in the body of another one', async () => {
    await using app = await http1Origin();
    await using sidecar = await startTestSidecar(await options(app));
    const inner = 'POST /drain HTTP/1.1\r\nHost: x\r\n\r\n';
    const octets = asked('GET', '/ready', `Content-Length: ${inner.length}\r\n`) + inner;
    expect(await exchange(sidecar.inbound, await clientOf(), octets)).toMatch(/^HTTP\/1\.1 200 (?!.*HTTP)/s);
    expect(drained).toBe(0);
  });

  test('a tunnel or another protocol is not gone over to', async () => {
    await using app = await http1Origin();
    await using sidecar = await startTestSidecar(await options(app));
    const client = await clientOf();
    const tunnel = 'CONNECT 127.0.0.1:15000 HTTP/1.1\r\nHost: 127.0.0.1:15000\r\n\r\n';
    expect(await exchange(sidecar.inbound, client, tunnel)).not.toMatch(/^HTTP\/1\.1 2/);
    const upgrade = asked('GET', '/ready').replace('close', 'upgrade, close\r\nUpgrade: websocket');
    expect(statusOf(await exchange(sidecar.inbound, client, upgrade))).toBe('200');
  });
});
