import type { ApiEdge } from '../../proto/api/api.ts';
import { millis, successRate } from './numbers.ts';
import type { Column } from './table.ts';

const short = (identity: string): string => identity.replace(/^spiffe:\/\//, '') || 'none';

/** Traffic between services, with whom each end proved to be. */
export const edgeColumns: readonly Column<ApiEdge>[] = [
  { title: 'FROM', value: ({ source }) => source, style: () => 'bold' },
  { title: 'TO', value: ({ destination }) => destination, style: () => 'bold' },
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
  { title: 'CALLER', value: ({ sourceIdentity }) => short(sourceIdentity), style: styleOfIdentity('sourceIdentity') },
  {
    title: 'CALLED',
    value: ({ destinationIdentity }) => short(destinationIdentity),
    style: styleOfIdentity('destinationIdentity'),
  },
];

function styleOfIdentity(end: 'sourceIdentity' | 'destinationIdentity') {
  return (edge: ApiEdge) => (edge[end] === '' ? 'yellow' : 'cyan');
}
