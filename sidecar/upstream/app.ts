import type { Address } from '../../lib/address.ts';
import type { Random } from '../../lib/random.ts';
import { Chain } from '../http/chain.ts';
import type { EndpointSpec } from '../snapshot/inputs.ts';
import type { CompiledRule, Destination } from '../snapshot/snapshot.ts';
import type { Endpoint } from './endpoint.ts';

/** The app as an endpoint: in plain text, since it is on this machine. */
export function appSpec(address: Address): EndpointSpec {
  const where =
    'path' in address ? { address: `unix:${address.path}`, port: 0 } : { address: address.host, port: address.port };
  return { id: 'app', ...where, weight: 1, identity: '', locality: '', version: '' };
}

/** The app as the one endpoint of its service. */
export function appDestination(app: Endpoint, service: string): Destination {
  const picker = { pick: () => app };
  return { service, endpoints: [app], graceUntilMs: 0, http2: false, balancer: { build: () => picker }, picker };
}

/** The one rule of the last hop: everything goes to the app. */
export function appRule(
  app: Destination,
  { appTimeoutMs, random }: { readonly appTimeoutMs: number; readonly random: Random },
): CompiledRule {
  const deadline = (ex: { deadlineMs: number; startMs: number }): undefined => {
    ex.deadlineMs = ex.startMs + appTimeoutMs;
  };
  return {
    name: `app of ${app.service}`,
    chain: new Chain([{ onRequest: deadline }]),
    backends: [{ weight: 1, destination: app }],
    weight: 1,
    random,
  };
}
