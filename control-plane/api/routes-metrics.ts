import { z } from 'zod';
import { expositionType } from '../../lib/exposition.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { ApiParts } from './parts.ts';
import { ApiError } from './problem.ts';
import { type Row, raw } from './route.ts';
import { knownSidecars } from './sidecars.ts';

/** What Prometheus reads of a target (its HTTP service discovery). */
const targetsSchema = z.array(z.object({ targets: z.array(z.string()), labels: z.record(z.string(), z.string()) }));

/** Rows for a Prometheus that reaches nothing but this control plane. */
export function metricsRoutes(parts: ApiParts): readonly Row[] {
  return [
    {
      method: 'GET',
      path: '/v1/prometheus/targets',
      summary:
        'What there is to scrape, for http_sd_configs of Prometheus: every sidecar, through this API, and the control plane itself.',
      reply: targetsSchema,
      run: ({ request }): z.output<typeof targetsSchema> => targets(parts, hostOf(request.headers.host)),
    },
    raw({
      path: '/metrics',
      summary: 'Metrics of the control plane itself, in the text format of Prometheus.',
      content: 'text/plain',
      run: ({ response }) => void response.writeHead(200, { 'content-type': expositionType }).end(parts.metrics()),
    }),
  ];
}

function targets(parts: ApiParts, host: string): z.output<typeof targetsSchema> {
  const sidecars = [...knownSidecars(parts)]
    .filter(([, { present }]) => present)
    .map(([path, { namespace, service, instance }]) => ({
      targets: [host],
      labels: {
        __metrics_path__: `/v1/proxies/${path}/admin/metrics`,
        component: 'sidecar',
        workload: serviceKey(namespace, service),
        instance,
      },
    }));
  return [{ targets: [host], labels: { __metrics_path__: '/metrics', component: 'control-plane' } }, ...sidecars];
}

/** Where Prometheus has asked us: it will reach us there again. */
function hostOf(host = ''): string {
  if (/^(?:\[[0-9a-f:.]+\]|[-._a-z0-9]+)(?::[0-9]{1,5})?$/i.test(host)) return host;
  throw new ApiError('BAD_REQUEST', 'the Host of the request is no host name or address');
}
