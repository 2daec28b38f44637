// A real Prometheus, with the configuration and the rules that are shipped, beside a real mesh.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { controlPlaneMetricTable } from '../../control-plane/telemetry/metrics.ts';
import { metricTable } from '../../sidecar/telemetry/metric-table.ts';
import { eventually } from '../harness/eventually.ts';
import { parsePrometheus } from '../harness/prometheus.ts';
import { type PrometheusServer, startPrometheus } from '../harness/prometheus-server.ts';
import { type Shop, startShop } from '../harness/shop.ts';
import { findTool } from '../harness/tools.ts';

const program = findTool('prometheus');
const withPrometheus = program === undefined ? test.skip : test;
const shipped = join(import.meta.dirname, '..', '..', 'deploy', 'prometheus');

interface Config {
  global: Record<string, string>;
  scrape_configs: {
    authorization: object;
    http_sd_configs?: { url: string; authorization: object }[];
    dns_sd_configs?: object[];
    static_configs?: object[];
  }[];
}
interface Rules {
  groups: { rules: { alert?: string; for?: string }[] }[];
}

const token = 'correct-horse-battery';
let folder: string;
let shop: Shop;
/** A mesh on loopback asks for no token; this one does, as every other. */
let guard: Server;
let prometheus: PrometheusServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-prometheus-'));
  writeFileSync(join(folder, 'token'), `${token}\n`);
  shop = await startShop();
  guard = await startGuard(shop.server);
  if (program === undefined) return;
  const host = `127.0.0.1:${(guard.address() as AddressInfo).port}`;
  const config = parse(
    readFileSync(join(shipped, 'prometheus.yml'), 'utf8')
      .replaceAll('/run/weft/api-token', join(folder, 'token'))
      .replaceAll('control-plane:7080', host),
  ) as Config;
  // What a test cannot wait for; and the name of the control plane, which only DNS would know.
  config.global = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' };
  for (const job of config.scrape_configs) {
    for (const discovery of job.http_sd_configs ?? []) Object.assign(discovery, { refresh_interval: '1s' });
    if (job.dns_sd_configs === undefined) continue;
    delete job.dns_sd_configs;
    job.static_configs = [{ targets: [host] }];
  }
  const rules = parse(readFileSync(join(shipped, 'rules.yml'), 'utf8')) as Rules;
  for (const rule of rules.groups.flatMap((group) => group.rules)) if (rule.for !== undefined) rule.for = '0s';
  writeFileSync(join(folder, 'prometheus.yml'), stringify(config));
  writeFileSync(join(folder, 'rules.yml'), stringify(rules));
  prometheus = await startPrometheus(program, folder);
}, 90_000);
afterAll(async () => {
  await prometheus?.close();
  guard?.closeAllConnections();
  guard?.close();
  await shop?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
}, 30_000);

/** Lets requests with the token through to the API, with the Host that they came with. */
async function startGuard(to: string): Promise<Server> {
  const server = createServer((asked, response) => {
    if (asked.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401).end();
      return;
    }
    const passed = request(new URL(asked.url!, to), { headers: asked.headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    passed.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

withPrometheus('every sidecar and the control plane are scraped, by way of the control plane', async () => {
  const up = await eventually('all targets are up', async () => {
    const found = await prometheus.query('up == 1');
    return found.length === 6 ? found : undefined;
  });
  expect(
    up
      .filter(({ metric }) => metric.component === 'sidecar')
      .map(({ metric }) => `${metric.workload} ${metric.instance}`)
      .sort(),
  ).toEqual([
    'default/cart cart',
    'default/payments payments-1',
    'default/payments payments-2',
    'default/visitor visitor',
    'default/web web',
  ]);
  const { activeTargets } = await prometheus.api<{ activeTargets: { scrapeUrl: string }[] }>('targets');
  for (const { scrapeUrl } of activeTargets)
    expect(new URL(scrapeUrl).port).toBe(String((guard.address() as AddressInfo).port));
  const { groups } = await prometheus.api<{ groups: { rules: { health: string }[] }[] }>('rules');
  expect(groups.flatMap((group) => group.rules)).toHaveLength(18);
});

withPrometheus('golden signals of every edge come out of the rules', async () => {
  const rate = await eventually('every edge has a rate', async () => {
    const found = await prometheus.query('weft:edge_requests:rate5m > 0');
    return found.length >= 3 ? found : undefined;
  });
  expect(rate.map(({ metric }) => `${metric.service} ${metric.peer}`).sort()).toEqual([
    'default/cart default/payments',
    'default/visitor default/web',
    'default/web default/cart',
  ]);
  const slow = await prometheus.query('weft:edge_duration_seconds:p99_5m');
  for (const { value } of slow) expect(value).toBeGreaterThan(0);
  const [certificates] = await prometheus.query('min(weft_certificate_expires_timestamp_seconds - time())');
  expect(certificates!.value).toBeGreaterThan(23 * 3600);
  expect(await prometheus.query('weft_ready * weft_control_plane_connected == 1')).toHaveLength(5);
  const [pushes] = await prometheus.query('sum(weft_control_plane_pushes_total{result="acknowledged"})');
  expect(pushes!.value).toBeGreaterThan(0);
  for (const query of [
    'weft_control_plane_sidecars{state="synced"} == 5',
    'weft_control_plane_certificates_total{result="issued"} >= 5',
  ])
    expect(await prometheus.query(query)).toHaveLength(1);
  const { groups } = await prometheus.api<{ groups: { rules: { name: string; health: string }[] }[] }>('rules');
  expect(groups.flatMap((group) => group.rules).filter(({ health }) => health !== 'ok')).toEqual([]);
});

withPrometheus('a sidecar that says nothing raises its alert, which goes when it is back', async () => {
  const firing = (): Promise<readonly unknown[]> =>
    prometheus.query('ALERTS{alertname="WeftSidecarDown", alertstate="firing", instance="payments-2"}');
  expect(await firing()).toEqual([]);
  shop.signal('payments-2-sidecar', 'SIGSTOP');
  try {
    await eventually('the alert fires', async () => ((await firing()).length === 1 ? true : undefined));
  } finally {
    shop.signal('payments-2-sidecar', 'SIGCONT');
  }
  await eventually('the alert is over', async () => ((await firing()).length === 0 ? true : undefined));
});

test('what is documented is what is scraped, and nothing else', async () => {
  const text = async (path: string): Promise<string> => (await fetch(`${shop.server}${path}`)).text();
  const sidecar = parsePrometheus(await text('/v1/proxies/default/web/web/admin/metrics'));
  expect([...sidecar.keys()].sort()).toEqual(Object.keys(metricTable).sort());
  const controlPlane = parsePrometheus(await text('/metrics'));
  expect([...controlPlane.keys()].sort()).toEqual(Object.keys(controlPlaneMetricTable).sort());
});

test('pages of sidecars are read through the control plane, and nothing is done there', async () => {
  const at = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(`${shop.server}/v1/proxies/default/payments/payments-1/admin${path}`, init);
  expect(await (await at('/info')).json()).toMatchObject({
    service: 'default/payments',
    instance: 'payments-1',
    identity: 'spiffe://mesh.local/ns/default/sa/payments',
  });
  expect(await (await at('/config')).json()).toMatchObject({ revision: expect.any(Number) });
  expect((await at('/ready')).status).toBe(200);
  expect(await (await at('/')).text()).toContain('<h1>Weft sidecar</h1>');
  expect((await at('/drain')).status).toBe(405);
  expect((await at('/drain', { method: 'POST' })).status).toBe(405);
  expect((await at('/ready')).status).toBe(200);
});
