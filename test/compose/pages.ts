import { compose, eventually } from './docker.ts';
import type { Story } from './story.ts';

const api = 'http://127.0.0.1:7080';

/** As a browser does that was given the token as a password; and as Prometheus does, in the header. */
async function credentials(): Promise<{ readonly browser: string; readonly bearer: string }> {
  const token = (await compose('base', 'exec', '-T', 'control-plane', 'cat', '/run/weft/api-token')).trim();
  return { browser: `Basic ${Buffer.from(`me:${token}`).toString('base64')}`, bearer: `Bearer ${token}` };
}

async function get(path: string, authorization: string): Promise<string> {
  const answer = await fetch(`${api}${path}`, { headers: { authorization } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} answers ${answer.status} ${text}`);
  return text;
}

export const pages: Story = {
  name: "the control plane shows Jaeger's page and those of every sidecar, whose admin ports nobody reaches",
  async tell() {
    const { browser, bearer } = await credentials();
    const page = await get('/jaeger/', browser);
    if (!page.includes('<html')) throw new Error(`Jaeger's page is ${page.slice(0, 200)}`);
    await get('/jaeger/api/services', browser);
    const targets = JSON.parse(await get('/v1/prometheus/targets', bearer)) as {
      labels: Readonly<Record<string, string>>;
    }[];
    const sidecars = targets.filter(({ labels }) => labels.component === 'sidecar');
    if (sidecars.length !== 5) throw new Error(`there are ${sidecars.length} sidecars to scrape`);
    for (const { labels } of sidecars) {
      const path = labels.__metrics_path__!;
      await eventually(`${labels.instance} shows its metrics`, 10_000, async () => {
        if (!(await get(path, bearer)).includes('weft_ready 1\n')) throw new Error('it is not ready');
      });
      const info = JSON.parse(await get(path.replace(/metrics$/, 'info'), browser)) as { readonly service: string };
      if (info.service !== labels.workload) throw new Error(`${path} is of ${info.service}`);
    }
    const drained = await fetch(`${api}/v1/proxies/default/web/web/admin/drain`, {
      method: 'POST',
      headers: { authorization: bearer, 'content-type': 'application/json' },
      body: '{}',
    });
    if (drained.status !== 405) throw new Error(`a POST to a page is answered with ${drained.status}`);
    return '';
  },
};
