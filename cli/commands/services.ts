import type { Command } from 'commander';
import { type ApiService, servicesReplySchema } from '../../proto/api/api.ts';
import { contextOf } from '../context.ts';
import type { Column } from '../format/table.ts';

const columns: readonly Column<ApiService>[] = [
  { title: 'NAMESPACE', value: ({ namespace }) => namespace },
  { title: 'NAME', value: ({ name }) => name, style: () => 'bold' },
  { title: 'PORTS', value: ({ ports }) => ports.map(({ port, protocol }) => `${port}/${protocol}`).join(', ') || '-' },
  {
    title: 'ENDPOINTS',
    align: 'right',
    value: ({ endpoints }) => String(endpoints.length),
    style: ({ endpoints }) => (endpoints.length === 0 ? 'yellow' : undefined),
  },
  {
    title: 'ADDRESSES',
    value: ({ endpoints }) =>
      endpoints
        .map(({ address, port, source }) => `${port === 0 ? address : `${address}:${port}`} (${source})`)
        .join(', ') || '-',
    wide: true,
  },
];

export function define(command: Command): void {
  command.action(async () => {
    const context = contextOf(command);
    const { services } = await context.ask(context.client.get('/v1/services', servicesReplySchema));
    await context.printTable(services, columns, services, "no services; 'weft apply FILE' declares some");
  });
}
