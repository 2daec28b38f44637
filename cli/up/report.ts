import type { Column } from '../format/table.ts';
import type { Sidecar } from './instance.ts';

/** What runs, and where to reach it. */
export const sidecarColumns: readonly Column<Sidecar>[] = [
  { title: 'INSTANCE', value: ({ name }) => name, style: () => 'bold' },
  { title: 'SERVICE', value: ({ service }) => service },
  { title: 'INBOUND', value: ({ inbound }) => inbound },
  { title: 'OUTBOUND', value: ({ outbound }) => outbound },
  { title: 'ADMIN', value: ({ admin }) => `http://${admin}` },
];

/** A line to type before every command that talks to this mesh, where it does not run at the usual address. */
export const serverHint = (server: string): string =>
  server === 'http://127.0.0.1:7080' ? '' : `  export WEFT_SERVER=${server}\n`;
