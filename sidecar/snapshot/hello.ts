import type { HeldEndpoint } from '../../proto/gen/weft/v1/HeldEndpoint.ts';
import type { Hello } from '../../proto/gen/weft/v1/Hello.ts';
import type { ServiceKey } from '../../proto/gen/weft/v1/ServiceKey.ts';
import type { Inputs } from './inputs.ts';

/** What a sidecar says of itself. */
export interface HelloFacts {
  readonly namespace: string;
  readonly service: string;
  /** Unique for this run of this sidecar: at most 128 letters, digits and . _ : - */
  readonly instance: string;
  /** Where other sidecars reach this one. Host '' or 0.0.0.0: where its stream comes from. Port 0: not at all. */
  readonly inbound: { readonly address: string; readonly port: number };
  /** host:port or unix:PATH; '' for none. */
  readonly admin: string;
  readonly version: string;
  readonly locality?: string;
  /** 1 unless told otherwise; 0 takes no traffic. */
  readonly weight?: number;
  /** By which others name the service, and what it speaks ('' when nobody has said), where no Service resource says it. */
  readonly declared?: { readonly port: number; readonly protocol: string };
}

/** Hello with what is held must fit into the 4 MiB that a control plane takes; estimated from above. */
const mostBytes = 3 * 1024 * 1024;

/** The first message. When what is held is too much to name, it says that nothing is, and gets everything anew. */
export function helloMessage(
  facts: HelloFacts,
  now: {
    readonly inputs: Inputs;
    readonly subscriptions: readonly string[];
    readonly ready: boolean;
    /** Why it is not ready. */
    readonly reason: string;
    readonly rootsVersion: string;
  },
): Hello {
  const held = heldOf(now.inputs);
  return {
    service: { namespace: facts.namespace, name: facts.service },
    instance: facts.instance,
    inboundAddress: facts.inbound.address,
    inboundPort: facts.inbound.port,
    adminAddress: facts.admin,
    weftVersion: facts.version,
    locality: facts.locality ?? '',
    weight: facts.weight ?? 1,
    subscriptions: now.subscriptions.map(serviceKeyOf),
    ready: now.ready,
    unreadyReason: now.reason,
    servicePort: facts.declared?.port ?? 0,
    serviceProtocol: facts.declared?.protocol ?? '',
    rootsVersion: now.rootsVersion,
    ...(held === undefined ? { revision: 0 } : { revision: now.inputs.revision, ...held }),
  };
}

export function serviceKeyOf(service: string): ServiceKey {
  const slash = service.indexOf('/');
  return { namespace: service.slice(0, slash), name: service.slice(slash + 1) };
}

function heldOf({ resources, endpoints, addresses }: Inputs): Pick<Hello, 'resources' | 'endpoints'> | undefined {
  let bytes = 0;
  const held: HeldEndpoint[] = [];
  for (const [name, byId] of endpoints) {
    const service = serviceKeyOf(name);
    held.push({ service, localAddress: addresses.get(name) ?? '' });
    bytes += name.length + 48;
    for (const { id, version } of byId.values()) {
      held.push({ service, id, version });
      bytes += name.length + id.length + version.length + 32;
    }
  }
  for (const { key, version } of resources.values()) {
    bytes += key.kind.length + key.namespace.length + key.name.length + version.length + 32;
  }
  if (bytes > mostBytes) return undefined;
  return { resources: [...resources.values()].map(({ key, version }) => ({ key, version })), endpoints: held };
}
