import type { Command } from 'commander';
import type { z } from 'zod';
import { type resourceSchema, resourcesReplySchema } from '../../proto/api/api.ts';
import { type Context, contextOf } from '../context.ts';
import { exit, Failure } from '../failure.ts';
import type { Column } from '../format/table.ts';
import { kindNamed } from '../kinds.ts';

type ApiResource = z.infer<typeof resourceSchema>;

const columns: readonly Column<ApiResource>[] = [
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'NAMESPACE', value: ({ metadata }) => metadata.namespace },
  { title: 'NAME', value: ({ metadata }) => metadata.name, style: () => 'bold' },
  { title: 'FOR', value: ({ spec }) => attachedTo(spec) },
  { title: 'SPEC', value: ({ spec }) => JSON.stringify(spec), wide: true },
];

interface EffectiveRow {
  readonly kind: string;
  readonly path: string;
  readonly value: unknown;
  readonly origin: string;
}

const effectiveColumns: readonly Column<EffectiveRow>[] = [
  { title: 'POLICY', value: ({ kind }) => kind },
  { title: 'FIELD', value: ({ path }) => path },
  { title: 'VALUE', value: ({ value }) => text(value), style: () => 'bold' },
  { title: 'FROM', value: ({ origin }) => origin },
];

export function define(command: Command): void {
  command
    .argument('[kind]', 'kind of resource, such as httproute; all kinds when left out')
    .argument('[name]', 'name of one resource')
    .option('-n, --namespace <name>', "namespace (default: all of them; 'default' for a name)")
    .option('--effective <service>', 'the policies of this service after merging, and where each value comes from')
    .addHelpText('after', '\nWhat -o yaml and -o json print can be applied again.\n')
    .action(async (kind: string | undefined, name: string | undefined, options: Options) => {
      const context = contextOf(command);
      const wanted = kind === undefined ? undefined : kindNamed(kind);
      if (options.effective !== undefined) return effective(context, wanted, options.effective, options.namespace);
      const namespace = options.namespace ?? (name === undefined ? undefined : 'default');
      const query = { kind: wanted, namespace, name };
      const { resources } = await context.ask(context.client.get('/v1/resources', resourcesReplySchema, query));
      if (name !== undefined && resources.length === 0)
        throw new Failure(exit.no, `no ${wanted} ${namespace}/${name}; 'weft get ${kind}' lists what there is`);
      if (context.output === 'yaml') return printYaml(context, resources);
      const value = name === undefined ? { kind: 'List', items: resources } : resources[0];
      await context.printTable(value, columns, resources, "no resources; 'weft apply FILE' makes some");
    });
}

interface Options {
  readonly namespace?: string;
  readonly effective?: string;
}

async function effective(context: Context, kind: string | undefined, service: string, namespace = 'default') {
  const query = { kind, namespace, name: service, effective: true };
  const { effective = [] } = await context.ask(context.client.get('/v1/resources', resourcesReplySchema, query));
  const rows = effective.flatMap((one) =>
    one.fields.map((field) => ({ ...field, value: field.value, kind: one.kind })),
  );
  await context.printTable(effective, effectiveColumns, rows, `no policies apply to ${namespace}/${service}`);
}

/** Documents with `---` between them, as people keep them in files. */
async function printYaml(context: Context, resources: readonly ApiResource[]): Promise<void> {
  const { stringify } = await import('yaml');
  context.terminal.out(resources.map((resource) => stringify(resource)).join('---\n'));
}

/** The targets of a policy, the parents of a route. */
function attachedTo(spec: unknown): string {
  const { targetRefs, parentRefs } = (spec ?? {}) as Record<string, unknown>;
  const refs = targetRefs ?? parentRefs;
  if (!Array.isArray(refs)) return '-';
  return refs
    .map(({ kind = 'Service', name }: { kind?: string; name?: string }) => [kind, name].filter(Boolean).join(' '))
    .join(', ');
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
