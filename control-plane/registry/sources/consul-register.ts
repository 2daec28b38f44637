import { canonicalJson, contentHash } from '../../../lib/canonical.ts';
import type { Clock } from '../../../lib/clock.ts';
import { messageOf } from '../../../lib/errors.ts';
import type { Log } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import { pause } from '../../consul/pause.ts';
import type { Found, SidecarSource } from '../registry.ts';
import { type ConsulCatalog, catalogName, metaKey, passMs, type Registration } from './consul-catalog.ts';

/** Requests to the agent at a time. */
const parallel = 16;

export interface RegistrarOptions {
  readonly catalog: ConsulCatalog;
  readonly own: SidecarSource;
  /** Names this control plane. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Keeps the sidecars of `own` registered at the agent, with checks that pass as long as they are ready. Closing it leaves them there: sidecars
 * outlive a control plane and come back to another one, which takes less than the TTL; those that do not come back expire.
 */
export function startRegistrar({ catalog, own, instance, clock, random, log }: RegistrarOptions): {
  close(): Promise<void>;
} {
  /** What the agent has, by id, with what stands for its content. */
  const registered = new Map<string, string>();
  let closed = false;
  let wake = new AbortController();

  const step = async (beat: boolean): Promise<void> => {
    const wanted = new Map<string, Wanted>();
    for (const service of own.services()) {
      for (const endpoint of own.endpoints(service)) {
        // A unix-domain socket (port 0) leads nowhere from another machine.
        if (endpoint.port !== 0) wanted.set(idOf(instance, service, endpoint), { service, endpoint, problem: '' });
      }
    }
    for (const { service, endpoint, reason } of own.unready()) {
      const problem = reason || 'not ready';
      if (endpoint.port !== 0) wanted.set(idOf(instance, service, endpoint), { service, endpoint, problem });
    }
    const work = [...new Set([...registered.keys(), ...wanted.keys()])];
    await eachOf(work, async (id) => {
      const want = wanted.get(id);
      if (want === undefined) {
        await catalog.deregister(id);
        registered.delete(id);
        return;
      }
      const registration = registrationOf(id, instance, want);
      const content = canonicalJson(registration);
      const current = registered.get(id) === content;
      if (current && !beat) return;
      // An agent that was restarted may have forgotten it. One that fails is registered anew with each beat: an agent takes
      // out what has been critical for too long, and this one is known to be there.
      if (current && want.problem === '' && (await catalog.check(id, ''))) return;
      await catalog.register(registration);
      registered.set(id, content);
    });
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    let nextBeat = clock.now() + passMs;
    while (!closed) {
      wake = new AbortController();
      // After a failure all of them: Consul may have come back without what it had.
      const beat = failures > 0 || clock.now() >= nextBeat;
      try {
        await step(beat);
        if (beat) nextBeat = clock.now() + passMs;
        if (failures > 0) log.info('registry.consul_reachable');
        failures = 0;
      } catch (thrown) {
        if (closed) return;
        if (failures === 0) log.warn('registry.consul_unreachable', { reason: messageOf(thrown) });
        failures = Math.min(failures + 1, 16);
      }
      const backoff = random.unit() * Math.min(passMs, 200 * 2 ** failures);
      await pause(clock, failures > 0 ? backoff : Math.max(0, nextBeat - clock.now()), wake.signal);
    }
  };

  const ends = [own.subscribe(() => wake.abort()), own.onUnready(() => wake.abort())];
  const running = run();
  return {
    async close() {
      for (const end of ends) end();
      closed = true;
      wake.abort();
      await running;
    },
  };
}

interface Wanted {
  readonly service: string;
  readonly endpoint: Found;
  /** Why it takes no requests; '' when it does. */
  readonly problem: string;
}

/** Of one control plane: while a sidecar moves to another, both have it, and neither takes away what the other put. */
const idOf = (instance: string, service: string, { id }: Found): string =>
  `weft:${instance}:${catalogName(service)}:${contentHash(id)}`;

function registrationOf(id: string, instance: string, { service, endpoint, problem }: Wanted): Registration {
  const meta = {
    [metaKey.namespace]: service.split('/')[0]!,
    [metaKey.identity]: endpoint.identity,
    [metaKey.locality]: endpoint.locality,
    [metaKey.controlPlane]: instance,
    [metaKey.endpoint]: endpoint.id,
    [metaKey.weight]: String(endpoint.weight),
    ...(endpoint.declared && {
      [metaKey.port]: String(endpoint.declared.port),
      [metaKey.protocol]: endpoint.declared.protocol,
    }),
  };
  return { id, name: catalogName(service), address: endpoint.address, port: endpoint.port, meta, problem };
}

/** Runs all of them, some at a time; throws the first error when all have been tried. */
async function eachOf<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await run(item).catch((thrown: unknown) => errors.push(thrown));
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  if (errors.length > 0) throw errors[0];
}
