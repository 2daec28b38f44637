import type { Command } from 'commander';

/** One command. Its file is loaded only when it is needed. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ define(command: Command): void }>;
}

/** All commands, as `weft --help` groups them. */
export const groups: readonly { readonly title: string; readonly verbs: readonly Verb[] }[] = [
  {
    title: 'Run:',
    verbs: [
      verb('up', 'run a whole mesh on this machine, for development', () => import('./commands/up.ts')),
      verb('control-plane', 'run a control plane', () => import('./commands/daemons.ts')),
      verb('sidecar', 'run the sidecar of one service instance', () => import('./commands/daemons.ts')),
    ],
  },
  {
    title: 'Change:',
    verbs: [
      verb('apply', 'create or replace resources, as one revision', () => import('./commands/apply.ts')),
      verb('delete', 'remove resources', () => import('./commands/delete.ts')),
      verb(
        'diff',
        'show what an apply would change, or what differs between revisions',
        () => import('./commands/diff.ts'),
      ),
      verb('history', 'list the revisions: who changed what, when and why', () => import('./commands/history.ts')),
      verb('rollback', 'restore an earlier revision', () => import('./commands/rollback.ts')),
      verb('check', 'check files without a control plane', () => import('./commands/check.ts')),
    ],
  },
  {
    title: 'Look:',
    verbs: [
      verb('get', 'show resources', () => import('./commands/get.ts')),
      verb('services', 'list services and their endpoints', () => import('./commands/services.ts')),
      verb('proxies', 'list sidecars and the revision each one runs', () => import('./commands/proxies.ts')),
      verb('edges', 'show the traffic between services', () => import('./commands/edges.ts')),
      verb('doctor', 'find what is wrong with an installation', () => import('./commands/doctor.ts')),
    ],
  },
  {
    title: 'More:',
    verbs: [
      verb(
        'healthy',
        'ask the sidecar or control plane of this container how it is',
        () => import('./commands/healthy.ts'),
      ),
      verb('token', 'make join tokens for sidecars', () => import('./commands/token.ts')),
      verb('completion', 'print a completion script for a shell', () => import('./commands/completion.ts')),
      verb('version', 'print the version', () => import('./commands/version.ts')),
    ],
  },
];

export const verbs: readonly Verb[] = groups.flatMap((group) => group.verbs);

function verb(name: string, summary: string, load: Verb['load']): Verb {
  return { name, summary, load };
}
