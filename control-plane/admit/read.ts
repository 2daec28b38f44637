import { type Issue, Issues } from '../../lib/issues.ts';
import { parseResource } from '../../policies/parse.ts';
import type { Resource } from '../../policies/resource.ts';
import { type Catalog, schemasOf } from './catalog.ts';

/** What one change may cost: resources, bytes of a spec as JSON, and how deeply a resource is nested. */
export const maxResources = 1000;
const maxSpecBytes = 64 * 1024;
const maxDepth = 64;

/** A resource in its normalised form, with its place in the request. */
export interface Read {
  readonly resource: Resource;
  readonly index: number;
}

/** Parses each resource by itself; needs no state. Gives those that are sound and every problem of the others. */
export function readResources(
  inputs: readonly unknown[],
  catalog: Catalog,
): { readonly read: readonly Read[]; readonly issues: readonly Issue[] } {
  const issues = new Issues();
  const read: Read[] = [];
  if (inputs.length > maxResources) {
    issues.add('resources', `has ${inputs.length} entries, more than ${maxResources}: split the change`);
    return { read, issues: issues.list };
  }
  const schemas = schemasOf(catalog);
  for (const [index, input] of inputs.entries()) {
    if (!isAffordable(input, index, issues)) continue;
    const resource = parseResource(input, schemas, issues, index);
    if (resource !== undefined) read.push({ resource, index });
  }
  return { read, issues: issues.list };
}

/** Comes before anything that walks the value: a schema recurses as deeply as its input does. */
function isAffordable(input: unknown, resource: number, issues: Issues): boolean {
  if (!isShallow(input, maxDepth)) {
    issues.add('', `is nested more than ${maxDepth} levels deep`, { resource });
    return false;
  }
  const spec = (input as { spec?: unknown } | null | undefined)?.spec;
  const bytes = Buffer.byteLength(JSON.stringify(spec) ?? '');
  if (bytes > maxSpecBytes) issues.add('spec', `is ${bytes} bytes as JSON, more than ${maxSpecBytes}`, { resource });
  return bytes <= maxSpecBytes;
}

/** True when no value lies deeper than `levels` objects or arrays. Never goes deeper itself. */
function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => isShallow(member, levels - 1));
}
