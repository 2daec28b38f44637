import { version } from '../../lib/version.ts';
import type { ApiProxy, ApiService, ApiStatus } from '../../proto/api/api.ts';
import { issueLine } from '../format/issue.ts';
import { age, count } from '../format/numbers.ts';
import { broken, type Check, ok, warning } from './check.ts';

const dayMs = 86_400_000;
const maxSkewMs = 60_000;

/** `aheadMs`: how far the clock of the control plane is ahead of ours. */
export function controlPlaneChecks(status: ApiStatus, server: string, aheadMs: number): readonly Check[] {
  const group = 'control plane';
  const left = Date.parse(status.rootExpires) - Date.now();
  const skew = Math.round(Math.abs(aheadMs) / 1000);
  return [
    ok(group, `${server} answers, up for ${age(new Date(Date.now() - status.uptimeSeconds * 1000).toISOString())}`),
    status.version === version
      ? ok(group, `version ${version}, as this command`)
      : warning(group, `version ${status.version}, this command is ${version}`, 'bring both to the same version'),
    status.storeHealthy
      ? ok(group, `store ${status.store} is healthy, at revision ${status.revision}`)
      : broken(
          group,
          `store ${status.store} cannot be written`,
          'traffic goes on, changes wait: look at the log of the control plane',
        ),
    Math.abs(aheadMs) <= maxSkewMs
      ? ok(group, 'clocks agree')
      : warning(group, `its clock differs from ours by ${skew}s`, 'certificates need right clocks: set both by NTP'),
    left > 30 * dayMs
      ? ok(group, `root certificate is good for ${Math.floor(left / dayMs)} days`)
      : left > 0
        ? warning(
            group,
            `root certificate ends in ${Math.floor(left / dayMs)} days`,
            'let the control plane make a new one',
          )
        : broken(group, `root certificate ended at ${status.rootExpires}`, 'let the control plane make a new one'),
  ];
}

export function sidecarChecks(proxies: readonly ApiProxy[]): readonly Check[] {
  const group = 'sidecars';
  if (proxies.length === 0)
    return [
      warning(
        group,
        'none has connected',
        "make a token with 'weft token create SERVICE' and start one with 'weft sidecar'",
      ),
    ];
  const synced = proxies.filter(({ state }) => state === 'synced');
  const checks =
    synced.length === 0 ? [] : [ok(group, `${count(synced.length, 'sidecar runs', 'sidecars run')} what it should`)];
  for (const proxy of proxies) {
    const name = `${proxy.namespace}/${proxy.service} ${proxy.instance}`;
    if (proxy.state === 'rejected')
      checks.push(
        broken(
          group,
          `${name} refused the last change and keeps revision ${proxy.revision}: ${proxy.problems.map(issueLine).join('; ')}`,
          "mend what it names and apply again, or 'weft rollback' to a revision that it took",
        ),
      );
    if (proxy.state === 'pending')
      checks.push(
        warning(
          group,
          `${name} has not answered the last change, runs revision ${proxy.revision}`,
          'look again in a few seconds; then at its log',
        ),
      );
    if (proxy.state === 'disconnected')
      checks.push(
        warning(
          group,
          `${name} is not connected, last seen ${age(proxy.since)} ago`,
          'it serves with what it has; is it running, and does it reach the control plane?',
        ),
      );
    else if (!proxy.ready)
      checks.push(
        proxy.reason === undefined
          ? warning(group, `${name} is not ready`, `ask it why: curl http://${proxy.admin || 'ADMIN'}/ready`)
          : warning(group, `${name} is not ready: ${proxy.reason}`, 'nobody calls it until that is over'),
      );
  }
  return checks;
}

export function serviceChecks(services: readonly ApiService[]): readonly Check[] {
  const group = 'services';
  if (services.length === 0) return [warning(group, 'none is declared', "declare some with 'weft apply FILE'")];
  const empty = services.filter(({ endpoints }) => endpoints.length === 0);
  const full = services.length - empty.length;
  return [
    ...(full > 0 ? [ok(group, `${count(full, 'service has', 'services have')} endpoints`)] : []),
    ...empty.map(({ namespace, name }) =>
      broken(
        group,
        `${namespace}/${name} has no endpoint: calls to it fail with NO_ENDPOINT`,
        `start an instance with its sidecar: weft sidecar --service ${name} …`,
      ),
    ),
  ];
}
