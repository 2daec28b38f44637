/** Here, and nowhere else, is said which protocol is spoken to endpoints. */

import type { Upstream } from '../http/exchange.ts';
import { H1Client } from '../http/h1/client.ts';
import { H2Client } from '../http/h2/client.ts';
import type { ClientStream } from '../http/h2/client-stream.ts';
import type { Limits } from '../limits/limits.ts';
import type { Loop } from '../net/loop.ts';
import { nobody, Wire } from '../net/wire.ts';
import type { EndpointSpec } from '../snapshot/inputs.ts';
import type { Connect } from './connect.ts';
import { Endpoint } from './endpoint.ts';
import { MuxPool } from './mux-pool.ts';
import { Pool } from './pool.ts';

/** What a sidecar offers to another one (ALPN): all exchanges between the two share a few connections. */
export const MESH_PROTOCOLS = ['h2'];

/**
 * An endpoint with its connections. One with an identity is a sidecar: HTTP/2 over mutual TLS, whatever the exchange. Any
 * other is spoken to in plain text, in HTTP/1.1 or in HTTP/2 as each exchange needs it.
 */
export function httpEndpoint(spec: EndpointSpec, connect: Connect, loop: Loop, limits: Limits): Endpoint<Upstream> {
  const http2 = new MuxPool<ClientStream>(
    spec,
    async (to, timeoutMs, pool) => {
      const { socket, peer, stats } = await connect(to, timeoutMs);
      const wire = new Wire(socket, nobody, loop);
      const client = new H2Client(wire, { peer, secure: spec.identity !== '' }, pool, limits, stats, timeoutMs);
      await client.greeted;
      return client;
    },
    loop,
  );
  if (spec.identity !== '') return new Endpoint<Upstream>(spec, http2, http2);
  const http1 = new Pool<H1Client>(
    spec,
    async (to, timeoutMs, pool) => {
      const { socket, peer, stats } = await connect(to, timeoutMs);
      return new H1Client(socket, peer, pool, loop, stats);
    },
    loop,
  );
  return new Endpoint<Upstream>(spec, http1, http2);
}
