import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiProblem, ApiRevision, ApiStatus } from '../../proto/api/api.ts';
import { startConsul } from '../harness/consul.ts';
import { type ConsulCluster, startConsulCluster } from '../harness/consul-cluster.ts';
import { type Daemon, startDaemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { ask, type Load, startLoad } from '../harness/load.ts';
import { findTool } from '../harness/tools.ts';
import { runWeft } from '../harness/weft.ts';

const program = findTool('consul');

let dir: string;
let app: Server;
let daemons: Daemon[];
let loads: Load[];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'weft-consul-faults-'));
  daemons = [];
  loads = [];
  app = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  writeFileSync(join(dir, 'ca.key'), 'a secret that is long enough', { mode: 0o600 });
});
afterEach(async () => {
  await Promise.all(loads.map((load) => load.stop()));
  await Promise.all(daemons.map(({ running }) => running.end('SIGKILL')));
  app.closeAllConnections();
  app.close();
  rmSync(dir, { recursive: true });
});

async function start(...args: Parameters<typeof startDaemon>): Promise<Daemon> {
  const daemon = await startDaemon(...args);
  daemons.push(daemon);
  return daemon;
}
const startControlPlane = (name: string, consul: string, ...more: string[]): Promise<Daemon> =>
  start('control-plane', [
    ...['--store', 'consul', '--consul-address', consul, '--ca-key-file', join(dir, 'ca.key')],
    ...['--state', join(dir, name), ...more],
  ]);

async function newToken(of: Daemon, service: string): Promise<string> {
  const { code, stdout, stderr } = await runWeft(['token', 'create', service], { env: { WEFT_SERVER: of.at.api! } });
  if (code !== 0) throw new Error(stderr);
  const file = join(dir, `${service}.token`);
  writeFileSync(file, stdout, { mode: 0o600 });
  return file;
}
async function startSidecar(service: string, controlPlanes: readonly Daemon[]): Promise<Daemon> {
  const token = await newToken(controlPlanes[0]!, service);
  return start('sidecar', [
    ...['--service', service, '--app', `127.0.0.1:${(app.address() as AddressInfo).port}`],
    ...['--control-plane', controlPlanes.map(({ at }) => at.grpc).join(','), '--token-file', token],
    ...['--state', join(dir, service), '--calls', 'api'],
  ]);
}
/** Traffic from `web` to `api`, once it flows. */
async function traffic(web: Daemon): Promise<Load> {
  const at = web.at.outbound!;
  await eventually('a request goes through', async () => (await ask({ at, host: 'api' })).status === 200 || undefined);
  const load = startLoad(2, { at, host: 'api' });
  loads.push(load);
  return load;
}

interface Resources {
  readonly revision: number;
  readonly resources: readonly unknown[];
}
interface Answer<T> {
  readonly status: number;
  readonly body: T;
}
async function call<T>(of: Daemon, path: string, body?: unknown): Promise<Answer<T>> {
  const how = {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify(body),
  };
  const answer = await fetch(`${of.at.api}${path}`, body === undefined ? { headers: { connection: 'close' } } : how);
  return { status: answer.status, body: (await answer.json()) as T };
}
const write = (of: Daemon, name: string): Promise<Answer<ApiProblem>> =>
  call(of, '/v1/apply', {
    resources: [{ apiVersion: 'weft.dev/v1', kind: 'Service', metadata: { name }, spec: {} }],
    message: name,
  });
const history = async (of: Daemon): Promise<readonly ApiRevision[]> =>
  (await call<{ revisions: ApiRevision[] }>(of, '/v1/revisions?from=1&limit=1000')).body.revisions;
const isHealthy = async (of: Daemon): Promise<true | undefined> =>
  (await call<ApiStatus>(of, '/v1/status')).body.storeHealthy || undefined;

const withConsul = program === undefined ? test.skip : test;

withConsul(
  'three servers of Consul: a leader that is lost, then most of them: traffic goes on, writes say why not, nothing acknowledged is lost',
  async () => {
    const cluster: ConsulCluster = await startConsulCluster(program!);
    try {
      const led = (await cluster.leader(0))!;
      // Each control plane asks a server that stays: its own agent going away is another story.
      const [first, second] = [0, 1, 2].filter((n) => n !== led) as [number, number];
      const a = await startControlPlane('a', cluster.addresses[first]!);
      const b = await startControlPlane('b', cluster.addresses[second]!);
      await startSidecar('api', [a, b]);
      const load = await traffic(await startSidecar('web', [b, a]));

      /** Names that were acknowledged. */
      const acknowledged: string[] = [];
      const refusals: Answer<ApiProblem>[] = [];
      let n = 0;
      const writeOnce = async (of: Daemon): Promise<boolean> => {
        const name = `s${n++}`;
        const answer = await write(of, name);
        if (answer.status === 200) acknowledged.push(name);
        else refusals.push(answer);
        return answer.status === 200;
      };
      for (let i = 0; i < 5; i++) expect(await writeOnce(i % 2 === 0 ? a : b)).toBe(true);

      // F7, ST-LEADER-KILL: writes go on failing for the time of an election and no longer.
      const lost = performance.now();
      const killed = cluster.kill(led);
      await eventually('writes are taken again', async () => (await writeOnce(a)) || undefined, 20_000);
      await eventually('by both', async () => (await writeOnce(b)) || undefined, 20_000);
      expect(performance.now() - lost).toBeLessThan(15_000);
      await killed;
      await load.more(20);

      for (const one of [a, b])
        await eventually('both know all of it', async () => {
          const { body } = await call<Resources>(one, '/v1/resources');
          return body.revision >= acknowledged.length || undefined;
        });
      // F8, ST-NOQUORUM: of three servers one is left, which cannot decide anything.
      await cluster.kill(second);
      const refused = await eventually('writes are refused', async () => {
        await writeOnce(a);
        return refusals.findLast(({ body }) => body.code === 'STORE_UNAVAILABLE')?.body;
      });
      expect(refused).toMatchObject({
        status: 503,
        detail: expect.stringMatching(/^Consul at .*(?:no leader|more than half of its servers|cannot be reached)/s),
      });
      const tokens = await call<ApiProblem>(a, '/v1/tokens', { service: 'late' });
      expect([tokens.status, tokens.body.code]).toEqual([503, expect.stringMatching(/^STORE_/)]);
      // What is known is served by both, the one whose server is gone as well.
      for (const one of [a, b]) {
        const { status, body } = await call<Resources>(one, '/v1/resources');
        expect([status, body.revision]).toEqual([200, body.resources.length]);
        expect(body.revision).toBeGreaterThanOrEqual(acknowledged.length);
        await eventually(
          'it says that its store is not well',
          async () => (await isHealthy(one)) === undefined || undefined,
        );
      }
      await load.more(20);

      // They come back, and so do writes, without anybody's help.
      await Promise.all([cluster.restart(led), cluster.restart(second)]);
      for (const one of [a, b])
        await eventually('writes are taken again', async () => (await writeOnce(one)) || undefined, 30_000);
      await load.more(20);
      await load.stop();
      expect(load.failures).toEqual([]);
      for (const one of [a, b]) await eventually('it is healthy', () => isHealthy(one));

      // Every refusal says why; what was acknowledged is there, once, in one order for both (F9, ST-CAS).
      for (const { status, body: problem } of refusals)
        expect([status, problem.code, problem.detail]).toEqual([
          503,
          expect.stringMatching(/^STORE_/),
          expect.any(String),
        ]);
      const [ours, theirs] = await eventually('both know all of it', async () => {
        const both = [await history(a), await history(b)] as const;
        return both[0].length === both[1].length && both[0].length >= acknowledged.length ? both : undefined;
      });
      expect(ours.map(({ revision }) => revision)).toEqual(ours.map((_, i) => i + 1));
      const names = ours.map(({ message }) => message);
      expect(names).toEqual(theirs.map(({ message }) => message));
      expect(new Set(names).size).toBe(names.length);
      expect(acknowledged.filter((name) => !names.includes(name))).toEqual([]);
      // Only what had no answer may be there besides.
      const uncertain = refusals.filter(({ body: problem }) => problem.code === 'STORE_UNCERTAIN').length;
      expect(names.length - acknowledged.length).toBeLessThanOrEqual(uncertain);
    } finally {
      await cluster.close();
    }
  },
  120_000,
);

withConsul(
  'ST-ACL: a token that is revoked makes the control plane read-only, loud, and patient',
  async () => {
    const root = '6fd1a2f0-7a35-4b34-9d0c-1d6a5c1c0c01';
    const consul = await startConsul(program!, { token: root });
    try {
      const rules =
        'key_prefix "weft" { policy = "write" } service_prefix "" { policy = "write" } node_prefix "" { policy = "read" }';
      await consul.api('PUT', '/acl/policy', { Name: 'weft', Rules: rules });
      const made = async () =>
        (await consul.api('PUT', '/acl/token', { Policies: [{ Name: 'weft' }] })) as {
          AccessorID: string;
          SecretID: string;
        };
      const token = await made();
      const file = join(dir, 'consul.token');
      writeFileSync(file, token.SecretID, { mode: 0o600 });
      const flags = ['--consul-token-file', file];
      const a = await startControlPlane('a', consul.address, ...flags);
      await startSidecar('api', [a]);
      const load = await traffic(await startSidecar('web', [a]));
      expect((await write(a, 'before')).status).toBe(200);

      await consul.api('DELETE', `/acl/token/${token.AccessorID}`);
      const refused = await eventually('writes are refused', async () => {
        const answer = await write(a, 'after');
        return answer.status === 200 ? undefined : answer;
      });
      expect(refused).toMatchObject({
        status: 503,
        body: { code: 'STORE_UNAVAILABLE', detail: expect.stringMatching(/403.*--consul-token-file/s) },
      });
      await a.running.line((line) => /"store.unreachable".*403.*--consul-token-file/.test(line) || undefined);
      expect(await isHealthy(a)).toBeUndefined();
      expect((await call<Resources>(a, '/v1/resources')).body.resources).toHaveLength(1);
      await load.more(20);
      // No tight loop: one line when it begins, and attempts that wait.
      expect(a.running.output().match(/"store\.unreachable"/g)).toHaveLength(1);

      // Another token in the same file, as the message says, and nothing else. Sidecars do not notice.
      writeFileSync(file, (await made()).SecretID);
      await eventually('writes are taken', async () => (await write(a, 'later')).status === 200 || undefined);
      await eventually('it is healthy', () => isHealthy(a));
      await load.more(20);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect((await history(a)).map(({ message }) => message)).toEqual(expect.arrayContaining(['before', 'later']));
    } finally {
      await consul.close();
    }
  },
  90_000,
);
