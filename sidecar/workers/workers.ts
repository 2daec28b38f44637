import type { Address } from '../../lib/address.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Issue } from '../../lib/issues.ts';
import { Live } from '../../lib/live.ts';
import type { DataPlane, DataPlaneOptions } from '../data-plane.ts';
import { addDumps } from '../snapshot/dump.ts';
import { type InForce, inForceOf } from '../snapshot/in-force.ts';
import type { Inputs } from '../snapshot/inputs.ts';
import { openOf } from '../telemetry/connection-counts.ts';
import type { RunningTelemetry } from '../telemetry/start-telemetry.ts';
import { Counts } from './counts.ts';
import type { FromWorker, Outlet, ToWorker, WorkerStart } from './messages.ts';
import { plainCredentials, plainOptions } from './plain.ts';
import { cannotShare, isFree } from './ports.ts';
import { Seat } from './seat.ts';

/** For an answer that somebody who asks the admin page waits for. */
const dumpMs = 2000;
/** How much longer than they were given for it threads may take to say that they have drained. */
const drainMoreMs = 1000;

/** A data plane in several threads. Only traffic is carried there; all else stays in the main thread. */
export interface Workers extends DataPlane {
  readonly seats: readonly Seat[];
}

/**
 * Starts `count` threads that carry traffic, with the same addresses: the system spreads connections over them. Fails
 * like `startDataPlane`, and where this system cannot share a port.
 */
export async function startWorkers(
  options: DataPlaneOptions & { readonly telemetry: RunningTelemetry },
  count: number,
): Promise<Workers> {
  const started = new WorkerSet(options, count);
  try {
    await started.open();
  } catch (error) {
    await started.close();
    throw error;
  }
  return started;
}

class WorkerSet implements Workers {
  readonly seats: readonly Seat[];
  readonly snapshot = new Live<InForce>(inForceOf(undefined));
  /** Only what all threads listen for: the system may give a connection to any of them. */
  readonly names = { has: (service: string): boolean => this.#isNamed(service) };
  inbound: DataPlane['inbound'];
  outbound: DataPlane['outbound'];
  readonly #options: DataPlaneOptions & { readonly telemetry: RunningTelemetry };
  readonly #counts: Counts;
  readonly #unsubscribe: () => void;
  /** What is in force, or is to be as soon as there is a thread. */
  #inputs: Inputs | undefined;
  /** Services that each seat listens for at their own addresses, by its index. */
  readonly #named = new Map<number, Set<string>>();
  /** What each seat has, by its index. */
  readonly #has: (Inputs | undefined)[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  /** Resolved when some thread serves again. */
  #back = Promise.withResolvers<void>();
  #ending = false;

  constructor(options: DataPlaneOptions & { readonly telemetry: RunningTelemetry }, count: number) {
    this.#options = options;
    this.#inputs = options.inputs;
    const { clock, random, log, telemetry } = options;
    const { shared } = telemetry;
    this.#counts = new Counts(count, shared.cellsOf);
    this.inbound = this.#listening('inbound', options.inbound);
    this.outbound = this.#listening('outbound', options.outbound);
    this.seats = Array.from({ length: count }, (_, index) => {
      const seat: Seat = new Seat({
        index,
        start: () => this.#start(index),
        onMessage: (message, reply) => this.#onMessage(index, message, reply),
        onBack: () => this.#onBack(seat),
        onGone: () => this.#onGone(seat),
        clock,
        random,
        log: log.with({ worker: index }),
      });
      return seat;
    });
    shared.join({
      addUp: () => this.#counts.addUp(),
      figures: () =>
        this.seats.map(({ index, restarts, activeMs }) => ({
          worker: index,
          restarts,
          activeMs,
          ...this.#counts.figures(index),
        })),
    });
    this.#unsubscribe =
      options.credentials?.subscribe((next) =>
        this.#tellAll({ kind: 'credentials', credentials: plainCredentials(next) }),
      ) ?? (() => {});
  }

  async open(): Promise<void> {
    const { inbound: into, outbound: out, upstreams = [] } = this.#options;
    for (const address of [into, out, ...upstreams.map((upstream) => upstream.address)]) await isFree(address);
    const [first, ...others] = this.seats;
    // The first one chooses where port 0 is asked for; the others come to the same ports.
    const { inbound, outbound } = await first!.open().catch((error: unknown) => {
      throw cannotShare(error);
    });
    this.inbound = this.#listening('inbound', inbound);
    this.outbound = this.#listening('outbound', outbound);
    await Promise.all(others.map((seat) => seat.open()));
    this.#tell();
  }

  #listening(direction: 'inbound' | 'outbound', address: Address): DataPlane['inbound'] {
    const counts = this.#counts;
    const cells = this.#options.telemetry.shared.cellsOf({ kind: 'connections', direction, end: 'downstream' });
    return {
      address,
      get connections() {
        counts.addUp();
        return openOf(cells);
      },
    };
  }

  #start(index: number): WorkerStart {
    const { credentials, telemetry } = this.#options;
    const inputs = this.#inputs;
    this.#has[index] = inputs;
    this.#named.set(index, new Set());
    return {
      options: {
        ...plainOptions(this.#options, this.seats.length),
        inbound: this.inbound.address,
        outbound: this.outbound.address,
        ...(inputs === undefined ? {} : { inputs }),
        sharing: { first: index === 0 },
      },
      credentials: credentials && { current: plainCredentials(credentials.current) },
      pages: this.#options.readPage !== undefined,
      telemetry: telemetry.shared.wanted,
    };
  }

  #onMessage(worker: number, message: FromWorker, reply: (message: ToWorker) => void): void {
    const { telemetry, log } = this.#options;
    const { shared } = telemetry;
    const taken = (outlet: Outlet, problem?: string): void => reply({ kind: 'taken', outlet, problem });
    switch (message.kind) {
      case 'cells':
        this.#counts.add(worker, message.of, message.cells, message.gauge);
        break;
      case 'identities':
        for (const known of message.identities) shared.identify(known);
        break;
      case 'lines':
        shared.writeLines(Buffer.from(message.octets), (error) => taken('lines', error ? messageOf(error) : undefined));
        break;
      case 'spans':
        for (const exchange of message.spans) shared.addSpan(exchange);
        taken('spans');
        break;
      case 'log': {
        const own = log.with({ worker });
        for (const { level, event, fields } of message.entries) own[level](event, fields);
        taken('log');
        break;
      }
      case 'name':
        if (message.there) this.#named.get(worker)?.add(message.service);
        else this.#named.get(worker)?.delete(message.service);
        break;
      case 'resolve': {
        const { service } = message;
        const over = (): void => reply({ kind: 'resolved', service });
        (this.#options.resolve(service) ?? Promise.resolve()).then(over, over);
        break;
      }
      case 'read-page': {
        const { id, target } = message;
        this.#options.readPage?.(target).then(
          (answer) => reply({ kind: 'page', id, answer }),
          (error: unknown) => {
            log.error('an admin page failed', { page: target, error: messageOf(error) });
            reply({ kind: 'page', id, answer: undefined });
          },
        );
      }
    }
  }

  #isNamed(service: string): boolean {
    const alive = this.seats.filter((seat) => seat.alive);
    return alive.length > 0 && alive.every(({ index }) => this.#named.get(index)?.has(service) === true);
  }

  #onBack(seat: Seat): void {
    this.#options.log.info('worker.back', { worker: seat.index });
    this.#bring(seat);
    this.#back.resolve();
    this.#tell();
  }

  #onGone(seat: Seat): void {
    this.#counts.retire(seat.index);
    this.#tell();
  }

  /** Brings a thread that began with older inputs up to date. */
  #bring(seat: Seat): void {
    const inputs = this.#inputs;
    if (inputs === undefined || this.#has[seat.index] === inputs || !seat.alive) return;
    void this.#put(seat, inputs);
  }

  /** The issues of one thread; undefined when it died over it. */
  async #put(seat: Seat, inputs: Inputs): Promise<readonly Issue[] | undefined> {
    try {
      const issues = await seat.ask({ kind: 'accept', inputs });
      if (issues.length === 0) this.#has[seat.index] = inputs;
      return issues;
    } catch (error) {
      this.#options.log.error('worker.accept', { worker: seat.index, problem: messageOf(error) });
      return undefined;
    }
  }

  accept(inputs: Inputs): Promise<readonly Issue[]> {
    const done = this.#turn.then(() => this.#accept(inputs));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #accept(inputs: Inputs): Promise<readonly Issue[]> {
    while (!this.#ending && !this.seats.some(({ alive }) => alive)) {
      this.#back = Promise.withResolvers();
      await this.#back.promise;
    }
    const answers = await Promise.all(this.seats.filter(({ alive }) => alive).map((seat) => this.#put(seat, inputs)));
    const issues = answers.find((answer) => answer !== undefined && answer.length > 0);
    if (issues !== undefined) {
      // All of them compile alike; should one not, none keeps what another has refused.
      for (const seat of this.seats) this.#bring(seat);
      return issues;
    }
    if (answers.every((answer) => answer === undefined)) throw new Error('no thread has taken it; the log says why');
    this.#inputs = inputs;
    for (const seat of this.seats) this.#bring(seat);
    this.#tell();
    return [];
  }

  async dump(): ReturnType<DataPlane['dump']> {
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = this.#options.clock.after(dumpMs, () => resolve(undefined));
    const asked = this.seats.map((seat) => Promise.race([seat.ask({ kind: 'dump' }).catch(() => undefined), late]));
    const [first, ...others] = (await Promise.all(asked)).filter((dump) => dump !== undefined);
    cancel();
    if (first === undefined) throw new Error('no worker thread answers');
    return addDumps(first, others);
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#end();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(deadlineMs + drainMoreMs, resolve);
    const gone = Promise.allSettled(this.seats.map((seat) => seat.ask({ kind: 'drain', deadlineMs })));
    await Promise.race([gone, late]);
    cancel();
  }

  async close(): Promise<void> {
    this.#end();
    this.#unsubscribe();
    await Promise.all(this.seats.map((seat) => seat.close()));
  }

  #end(): void {
    this.#ending = true;
    for (const seat of this.seats) seat.retire();
    this.#back.resolve();
  }

  #tellAll(message: ToWorker): void {
    for (const seat of this.seats) seat.post(message);
  }

  /** Tells whoever looks what is in force now. */
  #tell(): void {
    const alive = this.seats.some((seat) => seat.alive);
    const inForce = inForceOf(this.#inputs);
    const problem = 'no worker thread is alive; the log says why';
    this.snapshot.set(alive ? inForce : { ...inForce, ready: false, problem });
  }
}
