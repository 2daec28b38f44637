import { kinds } from '../../policies/index.ts';
import { loadSchemas } from '../../policies/load.ts';
import type { KindSchema, Role } from '../../policies/policy.ts';

/** A kind with all that admission asks of it. */
export interface KnownKind {
  readonly role: Role;
  readonly schema: KindSchema;
}

/** Every kind of resource, by its name, in the order of the list of kinds. */
export type Catalog = ReadonlyMap<string, KnownKind>;

/** Loads the schema of every kind. They are needed from the first request on, so they are loaded once, at start. */
export async function loadCatalog(): Promise<Catalog> {
  const schemas = await loadSchemas();
  return new Map(kinds.map(({ kind, role }) => [kind, { role, schema: schemas.get(kind)! }]));
}

export const schemasOf = (catalog: Catalog): ReadonlyMap<string, KindSchema> =>
  new Map([...catalog].map(([kind, known]) => [kind, known.schema]));
