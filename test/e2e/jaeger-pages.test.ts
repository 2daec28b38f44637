// Jaeger under the address of the control plane, as docs/observability.md says to start the two.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Daemon, startDaemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { type Jaeger, startJaeger } from '../harness/jaeger.ts';
import { findTool } from '../harness/tools.ts';

const program = findTool('jaeger-all-in-one');
const withJaeger = program === undefined ? test.skip : test;

let folder: string;
let jaeger: Jaeger;
let controlPlane: Daemon;
beforeAll(async () => {
  if (program === undefined) return;
  folder = mkdtempSync(join(tmpdir(), 'weft-jaeger-'));
  jaeger = await startJaeger(program, '/jaeger');
  const flags = ['--state', folder, '--otlp', jaeger.otlp, '--jaeger-ui', jaeger.query];
  controlPlane = await startDaemon('control-plane', flags);
}, 60_000);
afterAll(async () => {
  await controlPlane?.running.end();
  await jaeger?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
}, 30_000);

withJaeger('its page comes with scripts that are found where it looks for them', async () => {
  const { api } = controlPlane.at;
  const page = await fetch(`${api}/jaeger`);
  expect(page.status).toBe(200);
  expect(page.url).toBe(`${api}/jaeger/`);
  expect(page.headers.get('content-type')).toMatch(/^text\/html/);
  // Ours would keep its scripts from running.
  expect(page.headers.get('content-security-policy')).toBeNull();
  const html = await page.text();
  expect(html).toBe(await (await fetch(`${jaeger.query}/`)).text());
  const base = new URL(/<base href="([^"]+)"/.exec(html)?.[1] ?? './', page.url);
  expect(base.pathname).toBe('/jaeger/');
  for (const [, path] of html.matchAll(/<(?:script|link)[^>]+(?:src|href)="([^"]+)"/g))
    expect([path, (await fetch(new URL(path!, base))).status]).toEqual([path, 200]);
});

withJaeger('its API answers what its page asks for', async () => {
  const { api } = controlPlane.at;
  const ask = async (path: string): Promise<unknown> => {
    const answer = await fetch(`${api}/jaeger/api/${path}`);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    return ((await answer.json()) as { data: unknown }).data;
  };
  await fetch(`${api}/v1/apply`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      message: 'try',
      resources: [{ apiVersion: 'weft.dev/v1', kind: 'Service', metadata: { name: 'rates' }, spec: {} }],
    }),
  });
  const service = 'weft-control-plane';
  const services = await eventually('a span has come', async () => {
    const found = (await ask('services')) as string[] | null;
    return found?.includes(service) ? found : undefined;
  });
  expect(services).toContain(service);
  const traces = (await ask(`traces?service=${service}&lookback=1h&limit=20`)) as { spans: unknown[] }[];
  expect(traces.length).toBeGreaterThan(0);
  expect(await ask(`services/${service}/operations`)).not.toEqual([]);
});
