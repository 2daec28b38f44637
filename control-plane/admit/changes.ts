import { canonicalJson } from '../../lib/canonical.ts';
import { pathText } from '../../policies/parse.ts';
import { keyOf, keyText, type Resource } from '../../policies/resource.ts';
import { userForm } from '../../policies/user-form.ts';
import type { Change } from '../../proto/api/api.ts';
import type { Mutation } from '../store/store.ts';

type Resources = ReadonlyMap<string, Resource>;

/** The resources once these mutations have been made. */
export function mutate(resources: Resources, mutations: readonly Mutation[]): Resources {
  const after = new Map(resources);
  for (const mutation of mutations) {
    if (mutation.op === 'put') after.set(keyText(keyOf(mutation.resource)), mutation.resource);
    else after.delete(keyText(mutation.key));
  }
  return after;
}

/** Those mutations that change something. */
export const effectiveMutations = (before: Resources, mutations: readonly Mutation[]): Mutation[] =>
  mutations.filter((mutation) => {
    if (mutation.op === 'delete') return before.has(keyText(mutation.key));
    const present = before.get(keyText(keyOf(mutation.resource)));
    return present === undefined || canonicalJson(present) !== canonicalJson(mutation.resource);
  });

/** What turns `before` into `after`. */
export function mutationsBetween(before: Resources, after: Resources): Mutation[] {
  const puts = [...after.values()].map((resource) => ({ op: 'put', resource }) as const);
  const deletes = [...before].filter(([text]) => !after.has(text));
  return [
    ...effectiveMutations(before, puts),
    ...deletes.map(([, resource]) => ({ op: 'delete', key: keyOf(resource) }) as const),
  ];
}

/** The mutations as people read and write them: what is created, updated field by field, or deleted. */
export const describeChanges = (before: Resources, mutations: readonly Mutation[]): Change[] =>
  mutations.map((mutation) => {
    const key = mutation.op === 'put' ? keyOf(mutation.resource) : mutation.key;
    const was = before.get(keyText(key));
    const is = mutation.op === 'put' ? mutation.resource : undefined;
    return {
      op: is === undefined ? 'delete' : was === undefined ? 'create' : 'update',
      key,
      fields: [
        ...fieldsOf(was?.apiVersion, is?.apiVersion, 'apiVersion', was !== undefined && is !== undefined),
        ...fieldsOf(was?.metadata.labels, is?.metadata.labels, 'metadata.labels', true),
        ...fieldsOf(userForm(was?.spec), userForm(is?.spec), 'spec', true),
      ],
    };
  });

function fieldsOf(before: unknown, after: unknown, path: string, wanted: boolean): Change['fields'] {
  if (!wanted || canonicalJson(before) === canonicalJson(after)) return [];
  if (isTree(before) && isTree(after) && Array.isArray(before) === Array.isArray(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap((name) =>
      fieldsOf(before[name], after[name], pathText(path, [Array.isArray(before) ? Number(name) : name]), true),
    );
  }
  return [{ path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
}

const isTree = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
