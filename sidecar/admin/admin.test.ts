import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../../lib/address.ts';
import { silentLog } from '../../lib/log.ts';
import { type Admin, startAdmin } from './admin.ts';
import type { AdminParts } from './pages.ts';

const open: { close(): unknown }[] = [];
afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));

const parts: AdminParts = {
  ready: () => ({ ready: true, reason: '' }),
  readyOutbound: () => ({ ready: true, reason: '' }),
  config: () => ({ revision: 7 }),
  metrics: () => '# HELP weft_x X.\n# TYPE weft_x gauge\nweft_x 1\n',
  info: () => ({ service: 'default/web' }),
};

async function start(
  given: Partial<AdminParts> = {},
  address: Address = { host: '127.0.0.1', port: 0 },
  log = silentLog,
): Promise<Admin> {
  const admin = await startAdmin({ ...parts, ...given, address, log });
  open.push(admin);
  return admin;
}

interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request on a connection of its own, with exactly these fields. */
function ask(
  admin: Admin,
  path: string,
  given: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answered> {
  const { request } = process.getBuiltinModule('node:http');
  const to = 'path' in admin.address ? { socketPath: admin.address.path } : admin.address;
  return new Promise((resolve, reject) => {
    const asked = request(
      { ...to, agent: false, path, setHost: given.headers?.host === undefined, ...given },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

test('each page answers', async () => {
  const admin = await start();
  const [live, ready, metrics, config, info] = await Promise.all(
    ['/live', '/ready', '/metrics', '/config', '/info?pretty'].map((path) => ask(admin, path)),
  );
  expect([live, ready, metrics, config, info].map((one) => one?.status)).toEqual([200, 200, 200, 200, 200]);
  expect(metrics).toMatchObject({
    body: parts.metrics(),
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
  });
  expect(JSON.parse(config!.body)).toEqual({ revision: 7 });
  expect(JSON.parse(info!.body)).toEqual({ service: 'default/web' });
  expect((await ask(admin, '/live', { method: 'HEAD' })).body).toBe('');
});

test('a sidecar that is not ready says 503 and why', async () => {
  const admin = await start({ ready: () => ({ ready: false, reason: 'no <configuration> yet' }) });
  const { status, headers, body } = await ask(admin, '/ready');
  expect(status).toBe(503);
  expect(headers['content-type']).toBe('application/problem+json');
  expect(JSON.parse(body)).toMatchObject({ code: 'NOT_READY', status: 503, detail: 'no <configuration> yet' });
  expect((await ask(admin, '/')).body).toContain('no &lt;configuration&gt; yet');
});

test('a sidecar whose app is not there yet says that the app may start', async () => {
  const admin = await start({ ready: () => ({ ready: false, reason: 'the app does not listen' }) });
  expect((await ask(admin, '/ready')).status).toBe(503);
  expect((await ask(admin, '/ready/outbound')).status).toBe(200);
});

test('the index names every page, escapes what it shows and allows no script', async () => {
  const admin = await start({ info: () => ({ service: '<script>alert(1)</script>' }) });
  const { headers, body } = await ask(admin, '/');
  for (const path of ['./live', './ready', './metrics', './config', './info']) expect(body).toContain(`href="${path}"`);
  expect(body).not.toContain('<script');
  expect(headers['content-security-policy']).toContain("default-src 'none'");
});

test('draining takes a POST, and only where it is allowed', async () => {
  let drained = 0;
  const admin = await start({ drain: () => void drained++ });
  expect((await ask(admin, '/drain')).status).toBe(405);
  expect((await ask(admin, '/drain', { method: 'HEAD' })).status).toBe(405);
  expect(drained).toBe(0);
  expect((await ask(admin, '/drain', { method: 'POST' })).status).toBe(202);
  expect(drained).toBe(1);
  expect((await ask(await start(), '/drain', { method: 'POST' })).status).toBe(403);
});

test('a page that is not there, and a method that is not taken, are problems', async () => {
  const admin = await start();
  expect(await ask(admin, '/nowhere')).toMatchObject({
    status: 404,
    headers: { 'content-type': 'application/problem+json' },
  });
  expect(await ask(admin, '/live', { method: 'DELETE' })).toMatchObject({
    status: 405,
    headers: { allow: 'GET, HEAD' },
  });
});

test('a page that fails is logged, and tells the caller nothing of the reason', async () => {
  const logged: unknown[] = [];
  const config = (): never => {
    throw new Error('secret detail');
  };
  const admin = await start({ config }, undefined, {
    ...silentLog,
    error: (event, fields) => void logged.push(event, fields),
  });
  const { status, body } = await ask(admin, '/config');
  expect(status).toBe(500);
  expect(body).not.toContain('secret');
  expect(logged).toEqual(['an admin page failed', { page: '/config', error: 'secret detail' }]);
});

describe('web pages are kept out', () => {
  test.each([
    'evil.example',
    'evil.example:15000',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '[::1',
    '',
    'a@127.0.0.1',
  ])('Host %p is refused', async (host) => {
    const { status, body } = await ask(await start(), '/config', { headers: { host } });
    expect(status).toBe(403);
    expect(JSON.parse(body)).toMatchObject({ code: 'HOST_NOT_ALLOWED' });
  });

  test.each(['localhost', 'LOCALHOST:15000', '127.0.0.1', '127.0.0.1:1', '[::1]:15000', '10.1.2.3:15000'])(
    'Host %p is taken',
    async (host) => {
      expect((await ask(await start(), '/config', { headers: { host } })).status).toBe(200);
    },
  );

  test('a POST of another origin is refused', async () => {
    let drained = 0;
    const admin = await start({ drain: () => void drained++ });
    const host = '127.0.0.1:15000';
    for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:8080', 'https://127.0.0.1:15000'])
      expect((await ask(admin, '/drain', { method: 'POST', headers: { host, origin } })).status).toBe(403);
    expect(drained).toBe(0);
    expect((await ask(admin, '/drain', { method: 'POST', headers: { host, origin: `http://${host}` } })).status).toBe(
      202,
    );
  });
});

describe('addresses', () => {
  test('other addresses than loopback are refused unless allowed', async () => {
    const address = { host: '0.0.0.0', port: 0 };
    await expect(startAdmin({ ...parts, address, log: silentLog })).rejects.toThrow('0.0.0.0:0');
    const admin = await startAdmin({ ...parts, address, allowRemote: true, log: silentLog });
    open.push(admin);
    expect((await ask(admin, '/live', { headers: { host: '10.0.0.1' } })).status).toBe(200);
  });

  test('an address that is taken is refused with a sentence', async () => {
    const { address } = await start();
    await expect(start({}, address)).rejects.toThrow(/cannot listen at 127\.0\.0\.1:[0-9]+: it is taken/);
  });

  test('a unix-domain socket is for its owner, replaces one that was left behind, and not one in use', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-admin-'));
    open.push({ close: () => rmSync(folder, { recursive: true }) });
    const path = join(folder, 'admin.sock');
    // A process that is killed leaves its socket.
    const script = `require('net').createServer().listen('${path}', () => process.kill(process.pid, 'SIGKILL'))`;
    await new Promise((resolve) => spawn(process.execPath, ['-e', script]).on('exit', resolve));
    expect(existsSync(path)).toBe(true);
    const admin = await start({}, { path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await ask(admin, '/live', { headers: { host: 'anything' } })).status).toBe(200);
    await expect(start({}, { path })).rejects.toThrow('it is taken');
    expect((await ask(admin, '/live')).status).toBe(200);
    await admin.close();
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, 'mine');
    await expect(start({}, { path })).rejects.toThrow('it is taken');
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });
});

test('closing ends connections that are open', async () => {
  const admin = await start();
  if ('path' in admin.address) throw new Error('no port');
  const socket = connect(admin.address.port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await admin.close();
  await closed;
});
