import type { ApiEdge } from '../../proto/api/api.ts';
import { millis, successRate } from './numbers.ts';
import type { Column } from './table.ts';

/** All identities here are of one trust domain; -o json has them whole. */
const identity = (spiffeId: string): string => spiffeId.replace(/^spiffe:\/\/[^/]*\//, '') || 'none';

const service = (name: string): string => name.replace(/^default\//, '');

/** Traffic between services, with whom each end proved to be. */
export const edgeColumns: readonly Column<ApiEdge>[] = [
  { title: 'FROM', value: ({ source }) => service(source), style: () => 'bold' },
  { title: 'TO', value: ({ destination }) => service(destination), style: () => 'bold' },
  { title: 'REQ/S', align: 'right', value: ({ requestsPerSecond }) => requestsPerSecond.toFixed(1) },
  {
    title: 'SUCCESS',
    align: 'right',
    value: ({ requests, failures }) => successRate(requests, failures),
    style: ({ requests, failures }) => (failures > 0 ? 'red' : requests > 0 ? 'green' : undefined),
  },
  { title: 'P50', align: 'right', value: ({ p50Ms }) => millis(p50Ms) },
  { title: 'P99', align: 'right', value: ({ p99Ms }) => millis(p99Ms) },
  { title: 'RETRIES', align: 'right', value: ({ retries }) => String(retries) },
  { title: 'TOTAL', align: 'right', value: ({ totalRequests }) => String(totalRequests), wide: true },
  { title: 'FAILED', align: 'right', value: ({ totalFailures }) => String(totalFailures), wide: true },
  {
    title: 'CALLER',
    cut: 'start',
    value: ({ sourceIdentity }) => identity(sourceIdentity),
    style: styleOfIdentity('sourceIdentity'),
  },
  {
    title: 'CALLED',
    cut: 'start',
    value: ({ destinationIdentity }) => identity(destinationIdentity),
    style: styleOfIdentity('destinationIdentity'),
  },
];

function styleOfIdentity(end: 'sourceIdentity' | 'destinationIdentity') {
  return (edge: ApiEdge) => (edge[end] === '' ? 'yellow' : 'cyan');
}
