import { z } from 'zod';
import { openApi } from './openapi.ts';
import type { ApiParts } from './parts.ts';
import type { Passthrough } from './passthrough.ts';
import { ApiError } from './problem.ts';
import { json, type Row, raw } from './route.ts';
import { changeRoutes } from './routes-changes.ts';
import { meshRoutes } from './routes-mesh.ts';
import { metricsRoutes } from './routes-metrics.ts';
import { knownSidecars, sidecarKey } from './sidecars.ts';
import type { Watch } from './watch.ts';

const health = z.object({ status: z.string() });

/** The whole API, a row a route. */
export function allRoutes(
  parts: ApiParts,
  watch: Watch,
  passthrough: Passthrough,
  ready: () => boolean,
): readonly Row[] {
  let document: ReturnType<typeof openApi> | undefined;
  const rows: Row[] = [
    ...changeRoutes(parts),
    ...meshRoutes(parts),
    ...metricsRoutes(parts),
    raw({
      path: '/v1/watch',
      summary: 'Server-sent events: hello, then each revision, service and proxy that changes.',
      content: 'text/event-stream',
      run: ({ response }) => watch.open(response),
    }),
    raw({
      path: '/v1/proxies/{namespace}/{service}/{instance}/admin/{rest*}',
      page: true,
      summary: 'The admin pages of a sidecar.',
      content: '*/*',
      run({ params: { namespace = '', service = '', instance = '', rest }, search, request, response }) {
        const found = knownSidecars(parts).get(sidecarKey(namespace, service, instance));
        if (found === undefined) throw new ApiError('NOT_FOUND', 'GET /v1/proxies lists the sidecars that there are');
        return passthrough.toSidecar(found, `/${rest}${search}`, request, response);
      },
    }),
    raw({
      path: '/jaeger',
      page: true,
      summary: "Leads to Jaeger's own pages.",
      content: 'text/plain',
      // Relative, so that it holds behind a proxy that has put a path before ours.
      run: ({ response }) => void response.writeHead(302, { location: 'jaeger/' }).end(),
    }),
    raw({
      path: '/jaeger/{rest*}',
      page: true,
      summary: "Jaeger's own pages, when it was configured.",
      content: '*/*',
      run({ params, search, request, response }) {
        if (parts.jaegerUi === undefined)
          throw new ApiError('NOT_FOUND', 'start the control plane with --jaeger-ui URL');
        return passthrough.toTrusted(parts.jaegerUi, `/${params.rest}${search}`, request, response);
      },
    }),
    json({
      method: 'GET',
      path: '/healthz',
      summary: 'Whether the control plane is alive.',
      open: true,
      reply: health,
      handle: () => ({ status: 'alive' }),
    }),
    json({
      method: 'GET',
      path: '/readyz',
      summary: 'Whether the control plane can be asked: 200, or 503.',
      open: true,
      reply: health,
      handle() {
        if (!ready()) throw new ApiError('NOT_READY');
        return { status: 'ready' };
      },
    }),
    json({
      method: 'GET',
      path: '/openapi.json',
      summary: 'This document.',
      reply: z.record(z.string(), z.unknown()),
      handle: () => (document ??= openApi(rows, parts.version)),
    }),
  ];
  return rows;
}
