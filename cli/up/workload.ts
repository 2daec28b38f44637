import { z } from 'zod';
import { isName } from '../../lib/spiffe.ts';
import { fields, name, port, whole } from '../../policies/fields.ts';
import { show } from '../../policies/issue-text.ts';
import type { KindSchema } from '../../policies/policy.ts';

/** Processes of a service that `weft up` starts, each with a sidecar. */
export interface WorkloadSpec {
  readonly service: string;
  readonly command: readonly [string, ...string[]];
  readonly instances: number;
  readonly env: Readonly<Record<string, string>>;
  /** Where the first instance listens; undefined: `weft up` chooses. */
  readonly port?: number | undefined;
}

const spec: z.ZodType<WorkloadSpec> = fields({
  service: name('The service that it is an instance of.'),
  command: z
    .tuple([z.string().min(1).max(4096)], z.string().max(4096))
    .refine((words) => words.length <= 256, 'must have at most 256 entries')
    .describe('Program and arguments, run in the folder of the file. It listens on 127.0.0.1 at the port in PORT.'),
  instances: whole('How many of it run.', 1, 32).default(1),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(32_768))
    .default({})
    .describe('Added to the environment of the process.'),
  port: port(
    'Where it listens; the second instance takes the port after it, and so on. Absent: a free one.',
  ).optional(),
}).superRefine(({ port, instances }, context) => {
  if (port !== undefined && port + instances - 1 > 65_535)
    context.addIssue({ code: 'custom', path: ['port'], message: `leaves no room for ${instances} instances` });
});

/** Read by `weft up` only; a control plane has no such kind, since it starts no processes. */
export const workloadSchema: KindSchema<WorkloadSpec> = {
  kind: 'Workload',
  apiVersions: ['weft.dev/v1'],
  summary: 'A process for `weft up` to start beside its sidecar. `weft apply` passes over it.',
  spec,
  check({ metadata }, issues) {
    if (!isName(metadata.name)) issues.add('metadata.name', `${show(metadata.name)} is not a name for a process`);
  },
  attaches: ({ metadata, spec }) => [
    { kind: 'Service', namespace: metadata.namespace, name: spec.service, path: 'spec.service' },
  ],
};
