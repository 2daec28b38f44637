import { readFile } from 'node:fs/promises';
import { canonicalJson, contentHash } from '../lib/canonical.ts';
import { messageOf } from '../lib/errors.ts';
import { InvalidInput } from '../lib/issues.ts';
import { allotAddresses } from '../lib/service-address.ts';
import { parseDocuments } from '../policies/documents.ts';
import { loadSchemas } from '../policies/load.ts';
import { keyOf, keyText, serviceKey } from '../policies/resource.ts';
import type { EndpointSpec, HeldResource, Inputs } from './snapshot/inputs.ts';

/** The part of a Service that says where it is without a registry. */
interface StaticEndpoints {
  readonly endpoints?: readonly {
    readonly address: string;
    readonly port: number;
    readonly weight: number;
    readonly identity?: string;
  }[];
}

/**
 * Inputs from a file with the same resources that `weft apply` takes, for a sidecar without a control plane. Throws
 * InvalidInput with every problem. Loads the schemas, which a sidecar with a control plane never does.
 */
export async function readInputs(file: string): Promise<Inputs> {
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    throw new InvalidInput([{ file, path: '', message: messageOf(thrown) }]);
  });
  const parsed = parseDocuments(text, file, await loadSchemas());
  if (parsed.issues.length > 0) throw new InvalidInput(parsed.issues);
  const resources = new Map<string, HeldResource>();
  const endpoints = new Map<string, Map<string, EndpointSpec>>();
  for (const { resource } of parsed.resources) {
    const { namespace, name } = resource.metadata;
    const key = keyOf(resource);
    resources.set(keyText(key), { key, version: contentHash(canonicalJson(resource.spec)), spec: resource.spec });
    const stated = (resource.spec as StaticEndpoints).endpoints;
    if (stated === undefined) continue;
    const byId = new Map<string, EndpointSpec>();
    for (const { address, port, weight, identity = '' } of stated) {
      const id = `${address}:${port}`;
      const fields = { id, address, port, weight, identity, locality: '' };
      byId.set(id, { ...fields, version: contentHash(canonicalJson(fields)) });
    }
    endpoints.set(serviceKey(namespace, name), byId);
  }
  return { revision: 1, resources, endpoints, addresses: allotAddresses(endpoints.keys()), absent: new Set() };
}
