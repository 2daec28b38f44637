import type { ApiEdge } from '../../proto/api/api.ts';
import { edgeColumns } from '../format/edges.ts';
import { count, millis } from '../format/numbers.ts';
import { renderTable } from '../format/table.ts';
import { plain, type Terminal } from '../terminal.ts';
import { serverHint } from '../up/report.ts';
import type { Up } from '../up/up.ts';
import type { Visits } from './visitor.ts';

/** What somebody who runs this for the first time needs to know. */
export function welcome(up: Up, outbound: string, { paint }: Terminal): string {
  const { server } = up.client;
  return `
${paint('bold', 'The shop is open:')} visitor → web → cart → payments (two instances).
Every arrow crosses two sidecars over mutual TLS. Ctrl-C ends everything.

Try, in another terminal:
  curl -H 'host: web' http://${outbound}/     a visit of your own
  curl ${server}/v1/edges              what the table shows, as JSON
Then:
${serverHint(server)}  bin/weft services       who is there
  bin/weft proxies        which sidecar runs which revision
  bin/weft get            the policies; edit examples/shop/mesh.yaml, and
  bin/weft diff examples/shop/mesh.yaml && bin/weft apply --wait examples/shop/mesh.yaml
  bin/weft history        who changed what, and 'bin/weft rollback 1' to undo it
Output of the processes: ${up.logs}
`;
}

export const edgeTable = (edges: readonly ApiEdge[], { width, paint }: Terminal): string =>
  edges.length === 0 ? 'no reports of traffic yet\n' : renderTable(edgeColumns, edges, { width, paint });

/** How it went, once it is over. */
export function summary(
  visits: Visits,
  edges: readonly ApiEdge[],
  deaths: ReadonlySet<string>,
  terminal: Terminal,
): string {
  const { requests, failures, p50Ms, p99Ms, reasons } = visits;
  return [
    '',
    `${edgeTable(edges, terminal)}`,
    `${count(requests, 'request')}, ${failures} failed, p50 ${millis(p50Ms)}, p99 ${millis(p99Ms)}`,
    ...[...reasons].map(([reason, n]) => `  ${n} × ${plain(reason)}`),
    ...(deaths.size === 0 ? [] : [`died and came back: ${[...deaths].join('; ')}`]),
  ].join('\n');
}
