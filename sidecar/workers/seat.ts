import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Address } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Answers, FromWorker, Question, ToWorker, WorkerStart } from './messages.ts';

/** Waits before a thread that died is started anew: half of it by chance, doubled for each death up to 30 s. */
const firstBackoffMs = 100;
const lastBackoffMs = 30_000;
/** A thread that lived so long has not died of how it starts. */
const soundMs = 60_000;
/** For connections, lines and spans to be brought to an end when it closes. */
const closeMs = 5000;

export interface Listening {
  readonly inbound: Address;
  readonly outbound: Address;
}

export interface SeatOptions {
  readonly index: number;
  /** What a thread begins with, asked for at each start. */
  readonly start: () => WorkerStart;
  /** Everything but answers. `reply` reaches the thread that said it, and nobody once that is gone. */
  readonly onMessage: (message: FromWorker, reply: (message: ToWorker) => void) => void;
  /** A thread that was started anew serves. */
  readonly onBack: () => void;
  /** The thread has died, or was closed. */
  readonly onGone: () => void;
  /** What the thread runs, for tests; `runWorker` unless told otherwise. */
  readonly entry?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The entry: a source beside this one, or a file of the build beside the one that has this in it. */
const threadFile = join(import.meta.dirname, `thread${import.meta.filename.endsWith('.ts') ? '.ts' : '.js'}`);

/** The place of one worker thread. Whoever dies in it is logged and replaced, until it is closed. */
export class Seat {
  readonly #options: SeatOptions;
  #thread: Worker | undefined;
  /** True while a thread serves here. */
  alive = false;
  restarts = 0;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #failures = 0;
  #startedMs = 0;
  #closed = false;
  #cancel = (): void => {};

  constructor(options: SeatOptions) {
    this.#options = options;
  }

  /** Starts the first thread. Rejects when it cannot listen, and then nothing is left of it. */
  async open(): Promise<Listening> {
    const listening = Promise.withResolvers<Listening>();
    this.#startThread(listening);
    return listening.promise;
  }

  get index(): number {
    return this.#options.index;
  }

  /** Ms in which the event loop of the present thread was working. */
  get activeMs(): number {
    return this.#thread?.performance.eventLoopUtilization().active ?? 0;
  }

  post(message: ToWorker): void {
    this.#thread?.postMessage(message);
  }

  /** Asks the thread; rejects when it fails at it, or dies. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q['kind']]> {
    if (!this.alive) return Promise.reject(new Error(`worker ${this.index} is not there`));
    const answer = Promise.withResolvers<unknown>();
    const id = ++this.#lastId;
    this.#asked.set(id, answer);
    this.post({ kind: 'ask', id, question });
    return answer.promise as Promise<Answers[Q['kind']]>;
  }

  /** From now on a thread that dies is not replaced. */
  retire(): void {
    this.#closed = true;
    this.#cancel();
  }

  /** Lets the thread bring to an end what it has to say, for five seconds at most. */
  async close(): Promise<void> {
    this.retire();
    const { clock, log } = this.#options;
    if (this.alive) {
      const late = Promise.withResolvers<void>();
      const cancel = clock.after(closeMs, () => late.reject(new Error(`no end after ${closeMs} ms`)));
      await Promise.race([this.ask({ kind: 'close' }), late.promise]).catch((error: Error) =>
        log.warn('worker.close', { problem: error.message }),
      );
      cancel();
    }
    await this.#thread?.terminate();
  }

  /** Ends the thread at once, as a fault would. For tests. */
  async kill(): Promise<void> {
    await this.#thread?.terminate();
  }

  #startThread(first?: PromiseWithResolvers<Listening>): void {
    const { clock, log, start, entry = threadFile } = this.#options;
    const thread = new Worker(entry, { workerData: start(), name: `weft ${this.index}` });
    let problem: Error | undefined;
    let stack: string | undefined;
    this.#thread = thread;
    thread.on('message', (message: FromWorker) => {
      switch (message.kind) {
        case 'listening':
          this.alive = true;
          this.#startedMs = clock.now();
          if (first === undefined) this.#options.onBack();
          else first.resolve(message);
          break;
        case 'not-listening':
          problem = Object.assign(new Error(message.problem), { code: message.code });
          void thread.terminate();
          break;
        case 'answer':
          this.#asked.get(message.id)?.resolve(message.value);
          this.#asked.delete(message.id);
          break;
        case 'no-answer':
          this.#asked.get(message.id)?.reject(new Error(message.problem));
          this.#asked.delete(message.id);
          break;
        default:
          this.#options.onMessage(message, (reply) => thread.postMessage(reply));
      }
    });
    thread.on('messageerror', (error) => log.error('worker.message', { problem: error.message }));
    thread.on('error', (error: Error) => {
      problem = error;
      stack = error.stack;
    });
    thread.on('exit', (code) => {
      const listened = this.alive;
      this.#thread = undefined;
      this.alive = false;
      const why = problem ?? new Error(`it ended with code ${code}`);
      for (const answer of this.#asked.values()) answer.reject(new Error(`worker ${this.index}: ${why.message}`));
      this.#asked.clear();
      this.#options.onGone();
      if (first !== undefined && !listened) first.reject(why);
      else if (!this.#closed) this.#restart(why.message, stack);
      else if (problem !== undefined) log.error('worker.died', { problem: why.message, stack });
    });
  }

  #restart(problem: string, stack: string | undefined): void {
    const { clock, random, log } = this.#options;
    if (clock.now() - this.#startedMs > soundMs) this.#failures = 0;
    const most = Math.min(lastBackoffMs, firstBackoffMs * 2 ** Math.min(this.#failures, 20));
    this.#failures++;
    const waitMs = Math.ceil(most / 2 + random.unit() * (most / 2));
    log.error('worker.died', { problem, stack, restartMs: waitMs });
    this.#cancel = clock.after(waitMs, () => {
      this.restarts++;
      this.#startThread();
    });
  }
}
