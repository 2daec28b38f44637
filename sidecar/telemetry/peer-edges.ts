import { parseSpiffe } from '../../lib/spiffe.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { Edge, Telemetry } from './telemetry.ts';

/** The edge of a caller, by its SPIFFE ID: looked up once for each caller, not for each request. */
export function peerEdges(direction: 'inbound' | 'outbound', telemetry: Telemetry): (peer: string) => Edge {
  const edges = new Map<string, Edge>();
  return (peer) => {
    let edge = edges.get(peer);
    if (edge === undefined) {
      const id = parseSpiffe(peer);
      edge = telemetry.edge(direction, id === undefined ? 'unknown' : serviceKey(id.namespace, id.service));
      // Telemetry bounds the number of edges; this bounds the number of names for them.
      if (edges.size < 10_000) edges.set(peer, edge);
    }
    return edge;
  };
}
