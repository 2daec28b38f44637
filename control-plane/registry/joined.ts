import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { protocols } from '../../policies/service/spec.ts';
import type { Vault } from '../store/store.ts';
import type { Declared, Registry, SidecarSource, Source } from './registry.ts';

const prefix = 'joined/';
/** How often it looks for what is still to be stored, or to be forgotten, in ms. */
const lookMs = 60_000;
/** A service of which nobody has been there for so long is forgotten, in ms. */
const forgetMs = 3_600_000;

const entrySchema = z.object({ port: z.number().int().min(1).max(65535), protocol: z.enum([...protocols, '']) });

export interface JoinedOptions {
  /** What is known of endpoints. */
  readonly sources: Pick<Source, 'endpoints' | 'services' | 'subscribe'>;
  readonly sidecars: Pick<SidecarSource, 'unready' | 'onUnready'>;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly log: Log;
}

interface Entry {
  declared: Declared;
  stored: boolean;
  /** When somebody of it was last there. */
  seenMs: number;
}

/**
 * Endpoints, and the services that are there because their sidecars have joined: without any resource they have a port and
 * a protocol. They outlive their last instance, and restarts of all control planes, so that a service which is away for a
 * moment is not taken for one that never was. Throws StoreError when the vault cannot be read.
 */
export async function openJoined(options: JoinedOptions): Promise<Registry & { close(): Promise<void> }> {
  const { sources, sidecars, vault, clock, log } = options;
  const known = new Map<string, Entry>();
  const watchers = new Set<(service: string) => void>();
  const warned = new Map<string, string>();
  let closed = false;
  let work: Promise<void> = Promise.resolve();

  for (const key of await vault.list(prefix)) {
    const declared = await readEntry(vault, key);
    if (declared !== undefined) known.set(key.slice(prefix.length), { declared, stored: true, seenMs: clock.now() });
  }

  const tell = (service: string): void => {
    for (const watcher of [...watchers]) watcher(service);
  };
  /** Whoever is there, by id. The same everywhere, so that all control planes choose alike. */
  const instances = (service: string): readonly { readonly id: string; readonly declared?: Declared | undefined }[] => {
    const unready = sidecars.unready().filter((one) => one.service === service);
    const all = [...sources.endpoints(service), ...unready.map(({ endpoint }) => endpoint)];
    return all.sort((a, b) => (a.id < b.id ? -1 : 1));
  };

  /** True when it says something else than before. */
  const learn = (service: string): boolean => {
    const told = instances(service).flatMap(({ declared }) => declared ?? []);
    const [first] = told;
    if (first === undefined) return false;
    const protocol = told.find((one) => one.protocol !== '')?.protocol ?? '';
    const declared = { port: first.port, protocol };
    const others = new Set(told.map(textOf).filter((text) => text !== textOf(declared) && text !== String(first.port)));
    const disagreement = [...others].join(', ');
    if (disagreement !== (warned.get(service) ?? '')) {
      warned.set(service, disagreement);
      if (disagreement !== '')
        log.warn('registry.instances_disagree', {
          service,
          used: textOf(declared),
          others: disagreement,
          advice: 'give all of its sidecars the same --port and --app-protocol, or apply a Service resource',
        });
    }
    const before = known.get(service);
    if (before !== undefined && textOf(before.declared) === textOf(declared)) {
      before.seenMs = clock.now();
      return false;
    }
    known.set(service, { declared, stored: false, seenMs: clock.now() });
    store();
    return true;
  };

  const store = (): void => {
    work = work.then(async () => {
      for (const [service, entry] of known) {
        if (!entry.stored) await save(service, entry);
        // A store that does not answer is not to hold up the end.
        if (!entry.stored && closed) return;
      }
    });
  };
  const save = async (service: string, entry: Entry): Promise<void> => {
    try {
      const version = (await vault.get(prefix + service))?.version ?? 0;
      // Where another control plane was first, it has heard the same of the same sidecars; if not, the next look tells.
      entry.stored = await vault.put(prefix + service, Buffer.from(JSON.stringify(entry.declared)), version);
    } catch (thrown) {
      log.warn('registry.joined_not_stored', { service, reason: messageOf(thrown) });
    }
  };
  const forget = (service: string): void => {
    known.delete(service);
    warned.delete(service);
    tell(service);
    work = work.then(async () => {
      try {
        const entry = await vault.get(prefix + service);
        if (entry !== undefined && !known.has(service)) await vault.delete(prefix + service, entry.version);
      } catch (thrown) {
        // It is found again by the next start, and forgotten again later.
        log.warn('registry.joined_not_stored', { service, reason: messageOf(thrown) });
      }
    });
  };

  let cancel = (): void => {};
  const look = (): void => {
    for (const [service, entry] of [...known]) {
      if (instances(service).length > 0) entry.seenMs = clock.now();
      else if (clock.now() - entry.seenMs > forgetMs) forget(service);
    }
    store();
    cancel = clock.after(lookMs, look);
  };

  const ends = [
    sources.subscribe((service) => {
      learn(service);
      tell(service);
    }),
    sidecars.onUnready(() => {
      for (const service of new Set(sidecars.unready().map((one) => one.service))) if (learn(service)) tell(service);
    }),
  ];
  for (const service of sources.services()) learn(service);
  cancel = clock.after(lookMs, look);

  return {
    endpoints: (service) => sources.endpoints(service),
    services: () => [...new Set([...sources.services(), ...known.keys()])].sort(),
    declared: (service) => known.get(service)?.declared,
    subscribe(watcher) {
      const own = (service: string): void => watcher(service);
      watchers.add(own);
      return () => void watchers.delete(own);
    },
    async close() {
      closed = true;
      cancel();
      for (const end of ends) end();
      await work;
    },
  };
}

const textOf = ({ port, protocol }: Declared): string => `${port}${protocol === '' ? '' : ` ${protocol}`}`;

/** Undefined for what is not ours: it is told anew by whoever joins. */
async function readEntry(vault: Vault, key: string): Promise<Declared | undefined> {
  const value = (await vault.get(key))?.value;
  if (value === undefined) return undefined;
  try {
    return entrySchema.safeParse(JSON.parse(Buffer.from(value).toString())).data;
  } catch (thrown) {
    if ((thrown as Error).name === 'SyntaxError') return undefined;
    throw thrown;
  }
}
