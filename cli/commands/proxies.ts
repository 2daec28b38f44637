import type { Command } from 'commander';
import { type ApiProxy, proxiesReplySchema } from '../../proto/api/api.ts';
import { contextOf } from '../context.ts';
import { issueLine } from '../format/issue.ts';
import { age } from '../format/numbers.ts';
import type { Column } from '../format/table.ts';

const styles = { synced: 'green', pending: 'yellow', rejected: 'red', disconnected: 'dim' } as const;

const columns: readonly Column<ApiProxy>[] = [
  { title: 'SERVICE', value: ({ namespace, service }) => `${namespace}/${service}` },
  { title: 'INSTANCE', value: ({ instance }) => instance },
  { title: 'STATE', value: ({ state }) => state.toUpperCase(), style: ({ state }) => styles[state] },
  { title: 'REVISION', align: 'right', value: ({ revision }) => String(revision) },
  { title: 'SINCE', align: 'right', value: ({ since }) => age(since) },
  { title: 'READY', value: ({ ready }) => (ready ? 'yes' : 'no') },
  { title: 'INBOUND', value: ({ inbound }) => inbound || '-', wide: true },
  { title: 'ADMIN', value: ({ admin }) => admin || '-', wide: true },
  { title: 'VERSION', value: ({ version }) => version, wide: true },
  { title: 'PROBLEM', value: ({ problems, reason = '-' }) => problems.map(issueLine).join('; ') || reason },
];

export function define(command: Command): void {
  command.action(async () => {
    const context = contextOf(command);
    const { proxies } = await context.ask(context.client.get('/v1/proxies', proxiesReplySchema));
    await context.printTable(
      proxies,
      columns,
      proxies,
      "no sidecar has connected; 'weft token create SERVICE' makes what one needs to join",
    );
  });
}
