import { keyText, type ResourceKey, serviceKey } from '../../../policies/resource.ts';
import type { ServiceSpec } from '../../../policies/service/spec.ts';
import type { State, Store } from '../../store/store.ts';
import { Known } from '../known.ts';
import type { Found, Source } from '../registry.ts';

/** The endpoints that stand in Service resources. One without an identity is spoken to in plain text. */
export function staticSource(store: Store): Source {
  const known = new Known('static');
  const read = (state: State, key: ResourceKey): void => {
    // Only admission writes to the log, so a Service in it has the normalised spec.
    const spec = state.resources.get(keyText(key))?.spec as ServiceSpec | undefined;
    known.replace(serviceKey(key.namespace, key.name), (spec?.endpoints ?? []).map(found));
  };
  const end = store.subscribe((state, { mutations }) => {
    for (const mutation of mutations) {
      const key =
        mutation.op === 'put' ? { ...mutation.resource.metadata, kind: mutation.resource.kind } : mutation.key;
      if (key.kind === 'Service') read(state, key);
    }
  });
  const state = store.current();
  for (const { kind, metadata } of state.resources.values()) if (kind === 'Service') read(state, { ...metadata, kind });
  return {
    name: 'static',
    endpoints: (service) => known.endpoints(service),
    services: () => known.services(),
    subscribe: (watcher) => known.subscribe(watcher),
    close: async () => end(),
  };
}

function found({ address, port, weight, identity = '' }: ServiceSpec['endpoints'][number]): Found {
  return { id: port === 0 ? address : `${address} ${port}`, address, port, weight, identity, locality: '' };
}
