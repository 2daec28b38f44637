import { z } from 'zod';
import { openApi } from './openapi.ts';
import type { ApiParts } from './parts.ts';
import type { Passthrough } from './passthrough.ts';
import { ApiError } from './problem.ts';
import { json, type Row, raw } from './route.ts';
import { changeRoutes } from './routes-changes.ts';
import { meshRoutes } from './routes-mesh.ts';
import type { Watch } from './watch.ts';

const health = z.object({ status: z.string() });

/** The whole API, a row a route. */
export function allRoutes(
  parts: ApiParts,
  watch: Watch,
  passthrough: Passthrough,
  ready: () => boolean,
): readonly Row[] {
  const rows: Row[] = [
    ...changeRoutes(parts),
    ...meshRoutes(parts),
    raw({
      path: '/v1/watch',
      summary: 'Server-sent events: hello, then each revision, service and proxy that changes.',
      content: 'text/event-stream',
      run: ({ response }) => watch.open(response),
    }),
    raw({
      path: '/v1/proxies/{instance}/admin/{rest*}',
      summary: 'The admin pages of a sidecar.',
      content: '*/*',
      run({ params, search, request, response }) {
        const proxy = parts.proxies.list().find(({ instance }) => instance === params.instance);
        if (proxy === undefined) throw new ApiError('NOT_FOUND', 'GET /v1/proxies lists the sidecars that there are');
        return passthrough.toSidecar(proxy.admin, `/${params.rest}${search}`, request, response);
      },
    }),
    raw({
      path: '/jaeger/{rest*}',
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
      handle: () => document,
    }),
  ];
  const document = openApi(rows, parts.version);
  return rows;
}
