import type { Clock } from '../../../lib/clock.ts';
import { messageOf } from '../../../lib/errors.ts';
import type { Log } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import { formatSpiffe } from '../../../lib/spiffe.ts';
import { protocols } from '../../../policies/service/spec.ts';
import { startBlockingQuery } from '../../consul/blocking-query.ts';
import { pause } from '../../consul/pause.ts';
import type { Known } from '../known.ts';
import type { Declared, Found, Source } from '../registry.ts';
import { type CatalogInstance, type ConsulCatalog, catalogName, metaKey, serviceOf } from './consul-catalog.ts';

/** Blocking queries under way at a time; an agent takes 200 connections from one address. */
const parallel = 64;
/** How long Consul holds a query, ms: shorter when services must take turns. */
const hold = { alone: 10_000, turns: 1000 };
const backoffMs = { first: 100, most: 5000 };

export interface ImporterOptions {
  readonly catalog: ConsulCatalog;
  readonly known: Known;
  readonly own: Source;
  /** Names this control plane, whose own endpoints are not imported. */
  readonly instance: string;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** One service of the catalog that is followed. */
interface Followed {
  readonly service: string;
  readonly name: string;
  index: number;
  failures: number;
  /** The last answer. */
  found: readonly Found[];
}

/** Follows the catalog and puts what passes into `known`. An error changes nothing; only an answer removes. */
export class ConsulImporter {
  readonly #options: ImporterOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #queue: Followed[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #services: { close(): Promise<void> };
  readonly #endOwn: () => void;

  constructor(options: ImporterOptions) {
    this.#options = options;
    const { catalog, own, clock, random, log } = options;
    this.#endOwn = own.subscribe((service) => this.#publish(this.#followed.get(catalogName(service))));
    this.#services = startBlockingQuery({
      ask: (read) => catalog.services(read),
      answered: (names) => this.#follow(names),
      failed: (thrown) => log.debug('registry.catalog_failed', { reason: messageOf(thrown) }),
      clock,
      random,
    });
  }

  async close(): Promise<void> {
    this.#endOwn();
    this.#closing.abort();
    await Promise.all([this.#services.close(), ...this.#running]);
  }

  #follow(names: readonly string[]): void {
    const wanted = new Set(names);
    for (const [name, followed] of this.#followed) {
      if (wanted.has(name)) continue;
      this.#followed.delete(name);
      this.#options.known.replace(followed.service, []);
    }
    for (const name of wanted) {
      const service = serviceOf(name);
      // `consul` is the servers of Consul themselves.
      if (service === undefined || name === 'consul' || this.#followed.has(name)) continue;
      const followed = { service, name, index: 0, failures: 0, found: [] };
      this.#followed.set(name, followed);
      this.#queue.push(followed);
    }
    this.#pump();
  }

  #pump(): void {
    while (this.#running.size < parallel && !this.#closing.signal.aborted) {
      const followed = this.#queue.shift();
      if (followed === undefined) return;
      const asking = this.#ask(followed).then(() => {
        this.#running.delete(asking);
        if (this.#followed.get(followed.name) === followed) this.#queue.push(followed);
        this.#pump();
      });
      this.#running.add(asking);
    }
  }

  async #ask(followed: Followed): Promise<void> {
    const { catalog, clock, random, log } = this.#options;
    const { signal } = this.#closing;
    const waitMs = this.#followed.size > parallel ? hold.turns : hold.alone;
    const { name, index } = followed;
    try {
      const answer = await catalog.instances(name, index === 0 ? { signal } : { index, waitMs, signal });
      followed.failures = 0;
      // Backwards: Consul has begun another life, so it is asked for everything anew.
      followed.index = answer.index < index ? 0 : answer.index;
      if (answer.index === index || this.#followed.get(name) !== followed) return;
      followed.found = withPort(answer.value.flatMap((each) => this.#found(followed.service, each) ?? []));
      this.#publish(followed);
    } catch (thrown) {
      if (signal.aborted) return;
      log.debug('registry.service_failed', { service: followed.service, reason: messageOf(thrown) });
      followed.index = 0;
      const backoff = Math.min(backoffMs.most, backoffMs.first * 2 ** followed.failures);
      followed.failures = Math.min(followed.failures + 1, 16);
      await pause(clock, random.unit() * backoff, signal);
    }
  }

  #found(service: string, { id, address, port, weight, kind, meta }: CatalogInstance): Found | undefined {
    const { instance, trustDomain, log } = this.#options;
    const controlPlane = meta[metaKey.controlPlane];
    if (controlPlane === instance || port < 1 || port > 65535 || kind !== '') return undefined;
    if (controlPlane === undefined) return { id, address, port, weight, identity: '', locality: '' };
    const [namespace, name] = service.split('/') as [string, string];
    const expected = formatSpiffe({ trustDomain, namespace, service: name });
    const identity = meta[metaKey.identity] ?? '';
    // Whoever can write to the catalog must not choose who may answer for a service.
    if (identity !== expected) {
      log.warn('registry.foreign_identity', { service, identity, expected, address });
      return undefined;
    }
    const weft = Number(meta[metaKey.weight]);
    return {
      id: meta[metaKey.endpoint] ?? id,
      address,
      port,
      weight: Number.isInteger(weft) && weft >= 0 ? weft : weight,
      identity,
      locality: meta[metaKey.locality] ?? '',
      declared: declaredIn(meta),
    };
  }

  /** A service that proves its identity somewhere is not spoken to in plain text because the catalog says so. */
  #publish(followed: Followed | undefined): void {
    if (followed === undefined) return;
    const { known, own } = this.#options;
    const { service, found } = followed;
    const proved = own.endpoints(service).length > 0 || found.some(({ identity }) => identity !== '');
    const used = proved ? found.filter(({ identity }) => identity !== '') : found;
    // Two control planes have the same sidecar while it moves from one to the other.
    known.replace(service, [...new Map(used.map((each) => [each.id, each])).values()]);
  }
}

/** Others in the catalog are named by the port that they have, if all of them have the same. */
function withPort(found: readonly Found[]): readonly Found[] {
  const ports = new Set(found.flatMap(({ identity, port }) => (identity === '' ? port : [])));
  const [port = 80] = ports.size === 1 ? ports : [];
  return found.map((each) => (each.identity === '' ? { ...each, declared: { port, protocol: '' } } : each));
}

function declaredIn(meta: CatalogInstance['meta']): Declared | undefined {
  const port = Number(meta[metaKey.port]);
  const protocol = protocols.find((one) => one === meta[metaKey.protocol]) ?? '';
  return Number.isInteger(port) && port > 0 && port <= 65535 ? { port, protocol } : undefined;
}
