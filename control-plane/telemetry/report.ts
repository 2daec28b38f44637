import { bucketCount } from '../../lib/latency.ts';
import { isName, parseSpiffe } from '../../lib/spiffe.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { Edge__Output } from '../../proto/gen/weft/v1/Edge.ts';
import type { EdgeReport__Output } from '../../proto/gen/weft/v1/EdgeReport.ts';
import type { Counts } from './window.ts';

/** One edge of a report, checked. */
export interface ReportedEdge {
  readonly direction: 'OUTBOUND' | 'INBOUND';
  /** `namespace/name`; `unknown` or `other` where the sidecar could not tell. */
  readonly peer: string;
  /** SPIFFE ID, or ''. */
  readonly peerIdentity: string;
  readonly counts: Counts;
}

class ReportError extends Error {
  override readonly name = 'ReportError';
}

/** A sidecar tells a thousand peers of each direction apart. */
const maxEdges = 4000;
/** More requests than a sidecar passes in a day. */
const maxCount = 1e9;
/** What a sidecar puts where it cannot name the other end. */
const nobody = new Set(['unknown', 'other']);

/** Reads what a sidecar reports. Throws ReportError with the field that is wrong: its counts would spoil the sums. */
export function parseReport({ edges }: EdgeReport__Output): readonly ReportedEdge[] {
  check(edges.length <= maxEdges, `edges: at most ${maxEdges}`);
  return edges.map(parseEdge);
}

function parseEdge(edge: Edge__Output): ReportedEdge {
  const { direction, peer, peerIdentity, requests, failures, retries, latency } = edge;
  check(direction === 'OUTBOUND' || direction === 'INBOUND', 'direction: OUTBOUND or INBOUND');
  const { namespace, name } = peer ?? { namespace: '', name: '' };
  const unnamed = namespace === '' && nobody.has(name);
  check(unnamed || (isName(namespace) && isName(name)), 'peer: names of a namespace and a service');
  check(peerIdentity === '' || parseSpiffe(peerIdentity) !== undefined, 'peer_identity: a SPIFFE ID of the mesh');
  for (const [field, count] of Object.entries({ requests, failures, retries }))
    check(Number.isSafeInteger(count) && count >= 0 && count <= maxCount, `${field}: 0 to ${maxCount}`);
  check(failures <= requests, 'failures: at most requests');
  check(latency.length <= bucketCount, `latency: at most ${bucketCount} buckets`);
  check(
    latency.reduce((sum, count) => sum + count, 0) <= requests,
    'latency: at most as many samples as there are requests',
  );
  return {
    direction: direction as ReportedEdge['direction'],
    peer: unnamed ? name : serviceKey(namespace, name),
    peerIdentity,
    counts: { requests, failures, retries, latency },
  };
}

function check(good: boolean, wanted: string): void {
  if (!good) throw new ReportError(wanted);
}
