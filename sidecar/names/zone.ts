import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { Seldom } from '../limits/seldom.ts';
import type { InForce } from '../snapshot/in-force.ts';
import { serviceNames } from '../snapshot/route-table.ts';
import { type Answer, CLASS_IN, type Query, RCODE, TYPE } from './message.ts';

const zoneName = 'mesh';

/** How long others may remember an answer, in s: short, since services come and go. */
const ttlSeconds = 5;
/** How long the control plane is waited for, in ms. */
const answerMs = 3000;
/** Questions that wait for it at a time. */
const mostWaiting = 256;

export interface ZoneOptions {
  /** Where names without a namespace are looked up. */
  readonly namespace: string;
  readonly inForce: { readonly current: InForce; subscribe(watcher: () => void): () => void };
  /** Whether somebody listens at the address of a service. */
  readonly reachable: (service: string) => boolean;
  /** Asks for a service that is not known; undefined: nobody to ask now. */
  readonly resolve: (service: string) => Promise<void> | undefined;
  /** What is in force is all that there is, and nobody to ask for more. */
  readonly complete: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is known of a service; `later`: nothing yet. */
type Found = { readonly address: string } | 'absent' | 'closed' | 'later';

/** `payments.mesh` and `payments.NAMESPACE.mesh`: the address on loopback of each service. */
export class Zone {
  readonly #options: ZoneOptions;
  readonly #serviceOf: (host: string) => string | undefined;
  readonly #unanswered: Seldom;
  /** What ends the waiting of each question. */
  readonly #waiting = new Set<() => void>();

  constructor(options: ZoneOptions) {
    const { namespace, clock, log } = options;
    this.#options = options;
    this.#serviceOf = serviceNames(namespace);
    this.#unanswered = new Seldom(clock, (fields) => log.warn('names.unanswered', fields));
  }

  static has({ labels }: Query): boolean {
    return labels.at(-1) === zoneName;
  }

  async answer(query: Query): Promise<Answer> {
    if (query.class !== CLASS_IN) return said(RCODE.refused);
    if (query.labels.length === 1) return said(RCODE.ok);
    // A dot inside a label is no dot between two.
    const service = query.labels.some((label) => label.includes('.'))
      ? undefined
      : this.#serviceOf(query.labels.join('.'));
    if (service === undefined) return said(RCODE.noSuchName);
    const found = await this.#find(service);
    if (found === 'absent') return said(RCODE.noSuchName);
    if (typeof found === 'object') {
      if (query.type !== TYPE.a && query.type !== TYPE.any) return said(RCODE.ok);
      const address = Buffer.from(found.address.split('.').map(Number));
      return { rcode: RCODE.ok, address, ttlSeconds, authoritative: true };
    }
    const problem =
      found === 'closed'
        ? 'none of its ports could be listened at; the log and /config say why'
        : 'the control plane has not said where it is: it may be away, or older than names';
    this.#unanswered.happened({ service, problem });
    return { rcode: RCODE.failed, ttlSeconds, authoritative: false };
  }

  close(): void {
    for (const end of [...this.#waiting]) end();
  }

  #now(service: string): Found {
    const { inForce, reachable, complete } = this.#options;
    const { addresses, absent, ready } = inForce.current;
    const address = addresses.get(service);
    if (address !== undefined) return reachable(service) ? { address } : 'closed';
    return absent.has(service) || (complete && ready) ? 'absent' : 'later';
  }

  async #find(service: string): Promise<Found> {
    const { inForce, resolve, clock } = this.#options;
    const known = this.#now(service);
    if (known !== 'later' || this.#waiting.size >= mostWaiting) return known;
    const { promise, resolve: done } = Promise.withResolvers<Found>();
    const end = (): void => {
      this.#waiting.delete(end);
      cancel();
      unsubscribe();
      done(this.#now(service));
    };
    const look = (): void => {
      if (this.#now(service) !== 'later') end();
    };
    this.#waiting.add(end);
    const cancel = clock.after(answerMs, end);
    const unsubscribe = inForce.subscribe(look);
    // Its answer is seen in what is in force, which may know the service before its address.
    void resolve(service);
    return promise;
  }
}

/** That there is no such name, or nothing of that type at it: both with the zone, so that it may be remembered. */
const said = (rcode: number): Answer => ({ rcode, ttlSeconds, zone: zoneName, authoritative: true });
