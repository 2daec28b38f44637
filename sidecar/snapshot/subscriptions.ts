import type { Clock } from '../../lib/clock.ts';
import { isName } from '../../lib/spiffe.ts';
import type { Inputs } from './inputs.ts';

/** As many as a control plane takes of one sidecar. */
const most = 1000;
/** How long an answer is waited for, in ms. */
const answerMs = 5000;
/** Least time between two sets that are sent: whatever an app asks for, a control plane takes 50 messages a second. */
const intervalMs = 50;

interface Waiting {
  readonly answer: Promise<void>;
  readonly resolve: () => void;
  readonly cancel: () => void;
}

/** The services that this sidecar calls: those declared, and those that its app has asked for. */
export class Subscriptions {
  readonly #clock: Clock;
  readonly #send: (services: readonly string[]) => void;
  readonly #declared: ReadonlySet<string>;
  /** In the order in which they were first asked for. */
  readonly #services: Set<string>;
  readonly #waiting = new Map<string, Waiting>();
  #scheduled = false;
  #sentMs = Number.NEGATIVE_INFINITY;
  #cancelSend = (): void => undefined;

  /** `send` is called with the whole set, once for all that one turn of the event loop adds, and not too often. */
  constructor(declared: readonly string[], clock: Clock, send: (services: readonly string[]) => void) {
    this.#declared = new Set(declared.filter(isServiceName));
    this.#services = new Set(this.#declared);
    this.#clock = clock;
    this.#send = send;
  }

  list(): string[] {
    return [...this.#services];
  }

  /** Adds services of an earlier run. */
  restore(services: readonly string[]): void {
    for (const service of services)
      if (this.#services.size < most && isServiceName(service)) this.#services.add(service);
  }

  /** Adds a service. Resolves when there is an answer about it, when there can be none, and after 5 s at the latest. */
  add(service: string, inputs: Inputs): Promise<void> {
    if (!isServiceName(service)) return Promise.resolve();
    const waiting = this.#waiting.get(service);
    if (waiting !== undefined) return waiting.answer;
    if (!this.#services.has(service)) {
      // Names that do not exist must not use up the room of those that do.
      if (this.#services.size >= most && !this.#forgetAbsent(inputs)) return Promise.resolve();
      this.#services.add(service);
      this.#schedule();
    }
    return knows(inputs, service) ? Promise.resolve() : this.#wait(service);
  }

  /** Ends the waiting for whatever these inputs know. */
  answered(inputs: Inputs): void {
    for (const service of [...this.#waiting.keys()]) if (knows(inputs, service)) this.#end(service);
  }

  close(): void {
    this.#cancelSend();
    for (const service of [...this.#waiting.keys()]) this.#end(service);
  }

  #wait(service: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(answerMs, () => this.#end(service));
    this.#waiting.set(service, { answer: promise, resolve, cancel });
    return promise;
  }

  #end(service: string): void {
    const waiting = this.#waiting.get(service);
    this.#waiting.delete(service);
    waiting?.cancel();
    waiting?.resolve();
  }

  #forgetAbsent(inputs: Inputs): boolean {
    for (const service of this.#services) {
      if (this.#declared.has(service) || !inputs.absent.has(service)) continue;
      this.#services.delete(service);
      return true;
    }
    return false;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const send = (): void => {
      this.#scheduled = false;
      this.#sentMs = this.#clock.now();
      this.#send(this.list());
    };
    const waitMs = this.#sentMs + intervalMs - this.#clock.now();
    if (waitMs <= 0) queueMicrotask(send);
    else this.#cancelSend = this.#clock.after(waitMs, send);
  }
}

const knows = ({ endpoints, absent }: Inputs, service: string): boolean =>
  endpoints.has(service) || absent.has(service);

function isServiceName(service: string): boolean {
  const [namespace = '', name = '', ...more] = service.split('/');
  return more.length === 0 && isName(namespace) && isName(name);
}
