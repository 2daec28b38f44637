import { randomBytes } from 'node:crypto';
import { compose, eventually, kill, lasting, settled, weft } from './docker.ts';
import { pages } from './pages.ts';
import { commandsOf, runLine } from './readme.ts';
import type { Story } from './story.ts';
import { startTraffic, visit } from './traffic.ts';

const jaeger = 'http://127.0.0.1:16686/jaeger';
/** Outbound and inbound of each hop: visitor → web → cart → payments. */
const spansOfAVisit = 6;
const services = ['cart', 'payments', 'visitor', 'web'];

interface Trace {
  readonly spans: readonly { readonly processID: string }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

const start: Story = {
  name: 'docker compose up --wait starts the shop, and the page says what to look at',
  async tell() {
    const [up, ...look] = commandsOf('The shop in a mesh').slice(0, -1);
    await runLine(up!);
    const [page, , catalog] = [await runLine(look[0]!), await runLine(look[1]!), await runLine(look[2]!)];
    if (!page.includes('"paidBy":"payments-')) throw new Error(`the shop answered ${page}`);
    const missing = services.filter((service) => !catalog.split('\n').includes(service));
    if (missing.length > 0) throw new Error(`Consul's catalog has no ${missing.join(', ')}: ${catalog}`);
    for (const url of [`${jaeger}/`, 'http://127.0.0.1:8500/ui/', 'http://127.0.0.1:7080/readyz']) {
      const { status } = await fetch(url);
      if (status >= 400) throw new Error(`${url} answers ${status}`);
    }
    const open = await compose('base', 'ps', '--format', '{{.Ports}}');
    if (open.includes('0.0.0.0:') || open.includes('[::]:')) throw new Error(`published to everybody: ${open}`);
    return '';
  },
};

const trace: Story = {
  name: 'a visit is one whole trace in Jaeger',
  async tell() {
    const id = randomBytes(16).toString('hex');
    const { status, body } = await visit({ traceparent: `00-${id}-${randomBytes(8).toString('hex')}-01` });
    if (status !== 200) throw new Error(`the shop answered ${status} ${body}`);
    await eventually(`trace ${id} has ${spansOfAVisit} spans`, 30_000, async () => {
      const { data } = (await (await fetch(`${jaeger}/api/traces/${id}`)).json()) as { data: readonly Trace[] | null };
      const [found] = data ?? [];
      const names = new Set(Object.values(found?.processes ?? {}).map(({ serviceName }) => serviceName));
      if (found?.spans.length !== spansOfAVisit || services.some((service) => !names.has(service)))
        throw new Error(`${found?.spans.length ?? 0} spans of ${[...names].join(', ')}`);
    });
    return '';
  },
};

/** What an app does that knows nothing of the mesh: asks for a name, and connects to its usual port. */
const fetchIn = (service: string, url: string): Promise<string> =>
  compose(
    'base',
    'exec',
    '-T',
    service,
    'node',
    '-e',
    `fetch('${url}').then(async (r) => console.log(r.status, await r.text()))`,
  );

const names: Story = {
  name: 'apps find each other by name, at the usual port, and others as before',
  async tell() {
    for (const [from, to] of Object.entries({ visitor: 'web', web: 'cart' })) {
      const said = await fetchIn(from, `http://${to}.mesh/healthz`);
      if (!said.startsWith('200 ')) throw new Error(`${to}.mesh from ${from}: ${said}`);
    }
    const said = await fetchIn('web', 'http://jaeger:16686/jaeger/api/services');
    if (!said.startsWith('200 ')) throw new Error(`jaeger, which is not of the mesh: ${said}`);
    return '';
  },
};

const change: Story = {
  name: 'what is changed, and an instance that is restarted, fails no request',
  async tell() {
    const traffic = startTraffic();
    for (const command of commandsOf('Change it while it runs')) await runLine(command);
    await settled();
    await traffic.end();
    return `${traffic.requests} requests`;
  },
};

/** One of two: the app, its sidecar, and then what both live in. */
const oneOfTwo: Story = {
  name: 'one of two instances is killed, part by part: no request fails, and it comes back by itself',
  async tell() {
    const traffic = startTraffic();
    for (const part of ['payments-1', 'payments-1-sidecar', 'payments-1-net']) {
      await settled(await kill(part));
      // Its app and its sidecar have to follow.
      if (part.endsWith('-net')) await paidBy('payments-1');
    }
    await traffic.end();
    return `${traffic.requests} requests`;
  },
};

/** Resolves when this instance has been paid. */
const paidBy = (instance: string): Promise<void> =>
  eventually(`${instance} is paid`, 60_000, async () => {
    const { body } = await visit();
    if (!body.includes(`"paidBy":"${instance}"`)) throw new Error(body.trim());
  });

const everything: Story = {
  name: 'whatever is killed comes back by itself, and the mesh with it',
  full: true,
  async tell() {
    const all = (await lasting()).map(({ service }) => service);
    const sidecars = all.filter((service) => service.endsWith('-sidecar'));
    const networks = all.filter((service) => service.endsWith('-net'));
    const others = ['control-plane', 'consul', 'jaeger'];
    const apps = all.filter((service) => ![...sidecars, ...networks, ...others].includes(service));
    const rounds = [apps, sidecars, networks, ...others.map((one) => [one])];
    for (const round of rounds) {
      await settled(await kill(...round));
      await eventually(`the mesh after ${round.join(', ')}`, 60_000, async () => {
        // Nothing may be left in a network that nobody has any more: its sidecar would not be connected, or not find its app.
        const { stdout, stderr } = await weft('base', 'control-plane', ['services', '-o', 'json']);
        const listed = stdout === '' ? [] : (JSON.parse(stdout) as readonly { endpoints: readonly unknown[] }[]);
        const endpoints = listed.reduce((sum, service) => sum + service.endpoints.length, 0);
        if (endpoints !== sidecars.length) throw new Error(`${endpoints} of ${sidecars.length} endpoints ${stderr}`);
      });
      for (const instance of ['payments-1', 'payments-2']) await paidBy(instance);
    }
    return `${all.length} containers in ${rounds.length} rounds`;
  },
};

export const baseStories: readonly Story[] = [start, trace, pages, names, change, oneOfTwo, everything];
