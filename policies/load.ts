import { kinds } from './index.ts';
import type { KindFilter, KindSchema } from './policy.ts';

/** The half of every kind that checks what people write, by kind. Loads zod. */
export async function loadSchemas(): Promise<ReadonlyMap<string, KindSchema>> {
  const loaded = await Promise.all(kinds.map((entry) => entry.schema()));
  return new Map(loaded.map(({ schema }) => [schema.kind, schema]));
}

/** The half of every kind that the data path runs, by kind, in the order in which filters run. Never loads zod. */
export async function loadFilters(): Promise<ReadonlyMap<string, KindFilter>> {
  const loaded = await Promise.all(kinds.map((entry) => entry.filter()));
  return new Map(loaded.map(({ filter }) => [filter.kind, filter]));
}
