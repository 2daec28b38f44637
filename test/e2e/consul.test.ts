import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiProxy } from '../../proto/api/api.ts';
import { type RunningConsul, startConsul } from '../harness/consul.ts';
import { type Daemon, startDaemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { ask, startLoad } from '../harness/load.ts';
import { startShop } from '../harness/shop.ts';
import { findTool } from '../harness/tools.ts';
import { runWeft } from '../harness/weft.ts';

const program = findTool('consul');
const withConsul = program === undefined ? test.skip : test;

let consul: RunningConsul;
let dir: string;
let daemons: Daemon[];
let app: Server;
beforeEach(async () => {
  if (program !== undefined) consul = await startConsul(program);
  dir = mkdtempSync(join(tmpdir(), 'weft-two-'));
  daemons = [];
  app = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
}, 30_000);
afterEach(async () => {
  await Promise.all(daemons.map(({ running }) => running.end('SIGKILL')));
  app.closeAllConnections();
  app.close();
  await consul?.close();
  rmSync(dir, { recursive: true });
});

const services = async (): Promise<string[]> => (await consul.cli('catalog', 'services')).trim().split('\n');

withConsul(
  'npm start works the same with Consul, whose catalog shows the services',
  async () => {
    const flags = ['--store', 'consul', '--consul-address', consul.address];
    const shop = await startShop({ flags, env: { WEFT_CA_KEY_FILE: keyFile() } });
    try {
      // Whoever has called a service once knows it, with or without a control plane.
      await shop.running.line((line) => /^cart +payments .*100%/.test(line) || undefined);
      await eventually('the catalog has them', async () => {
        const found = await services();
        return ['cart', 'payments', 'visitor', 'web'].every((name) => found.includes(name)) || undefined;
      });
      shop.signal('payments-2', 'SIGKILL');
      const killed = shop.signal('control-plane', 'SIGKILL');
      await eventually('the control plane comes back with all sidecars', async () => {
        if (shop.process('control-plane')?.pid === killed) return undefined;
        const { code, stdout } = await shop.weft('proxies', '-o', 'json');
        const proxies = code === 0 ? (JSON.parse(stdout) as ApiProxy[]) : [];
        return (proxies.length === 5 && proxies.every(({ state }) => state === 'synced')) || undefined;
      });
      expect((await shop.weft('history')).stdout).toContain('weft up');
      expect(await shop.running.end('SIGINT')).toBe(0);
      expect(shop.running.output()).toMatch(/^\d+ requests, 0 failed, p50 /m);
    } finally {
      await shop.close();
    }
  },
  120_000,
);

withConsul(
  'two control planes serve one mesh, and either may die',
  async () => {
    const key = keyFile();
    const flags = (name: string) => [
      ...['--store', 'consul', '--consul-address', consul.address, '--ca-key-file', key],
      ...['--state', join(dir, name)],
    ];
    const start = async (...args: Parameters<typeof startDaemon>): Promise<Daemon> => {
      const daemon = await startDaemon(...args);
      daemons.push(daemon);
      return daemon;
    };
    const a = await start('control-plane', flags('a'));
    const b = await start('control-plane', flags('b'));
    const weft = async (of: Daemon, ...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runWeft(args, { env: { WEFT_SERVER: of.at.api! }, input: mesh });
      if (code !== 0) throw new Error(stderr);
      return stdout;
    };
    await weft(a, 'apply', '-');

    /** `first`: the control plane that it is served by until that one dies. */
    const sidecar = async (service: string, first: Daemon, then: Daemon): Promise<Daemon> => {
      const token = join(dir, `${service}.token`);
      writeFileSync(token, await weft(first, 'token', 'create', service));
      return start('sidecar', [
        ...['--service', service, '--app', `127.0.0.1:${(app.address() as AddressInfo).port}`],
        ...['--control-plane', `${first.at.grpc},${then.at.grpc}`],
        ...['--token-file', token, '--state', join(dir, service)],
      ]);
    };
    const caller = await sidecar('web', a, b);
    await sidecar('api', b, a);
    const at = caller.at.outbound!;
    await eventually(
      'a sidecar of one reaches that of the other',
      async () => (await ask({ at, host: 'api' })).status === 200 || undefined,
    );
    const connected = async (of: Daemon): Promise<string[]> =>
      (JSON.parse(await weft(of, 'proxies', '-o', 'json')) as ApiProxy[])
        .filter((one) => one.connected)
        .map(({ service }) => service);
    expect([await connected(a), await connected(b)]).toEqual([['web'], ['api']]);

    // Whichever is asked knows the sidecars of both, and passes on to them.
    for (const one of [a, b]) {
      const paths = await eventually('both are to be scraped', async () => {
        const targets = await (await fetch(`${one.at.api}/v1/prometheus/targets`)).json();
        const found = (targets as { labels: Record<string, string> }[]).map(({ labels }) => labels.__metrics_path__!);
        return found.length === 3 ? found : undefined;
      });
      for (const path of paths) expect([path, (await fetch(`${one.at.api}${path}`)).status]).toEqual([path, 200]);
    }

    const load = startLoad(2, { at, host: 'api' });
    await b.running.end('SIGKILL');
    await eventually(
      'its sidecar goes to the other control plane',
      async () => (await connected(a)).length === 2 || undefined,
    );
    await weft(a, 'apply', '--wait', '-m', 'after the other died', '-');
    await load.more(20);
    await load.stop();
    expect(load.failures).toEqual([]);
  },
  120_000,
);

/** What several control planes of one mesh share. */
function keyFile(): string {
  const file = join(dir, 'ca.key');
  writeFileSync(file, 'a secret that is long enough', { mode: 0o600 });
  return file;
}

const mesh = `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
---
apiVersion: weft.dev/v1
kind: Service
metadata: { name: api }
spec: { ports: [{ port: 80 }] }
`;
