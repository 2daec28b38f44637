import { contentHash } from '../../lib/canonical.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { keyText } from '../../policies/resource.ts';
import type { Push__Output } from '../../proto/gen/weft/v1/Push.ts';
import { applyPush, noInputs, type PushProblem } from './apply-push.ts';
import { type Channel, type DiscoveryStream, openDiscoveryStream } from './discovery-stream.ts';
import type { Disk } from './disk.ts';
import { type HelloFacts, helloMessage, serviceKeyOf } from './hello.ts';
import type { Accept, Inputs } from './inputs.ts';
import { Subscriptions } from './subscriptions.ts';

export interface DiscoveryOptions {
  /** Asked for each connection, so that it has the newest certificate. undefined: there is none yet, try later. */
  readonly channel: () => Channel | undefined;
  readonly hello: HelloFacts;
  readonly accept: Accept;
  /** Where the last good inputs are kept; its owner closes it, after this. */
  readonly disk?: Disk;
  /** Services that this one is known to call, as `namespace/name`. */
  readonly subscriptions: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called with the DER certificates of every root to trust whenever the control plane sends them. */
  readonly onRoots: (roots: readonly Uint8Array[]) => void;
}

export interface DiscoveryStatus {
  readonly connected: boolean;
  /** Epoch ms since which it is connected, or not. */
  readonly since: number;
  /** The revision in force. */
  readonly revision: number;
  /** Epoch ms of the last push that was accepted; undefined before the first. */
  readonly lastPushMs: number | undefined;
  /** The last push that was refused, until one is accepted. */
  readonly lastNack: { readonly atMs: number; readonly problems: readonly PushProblem[] } | undefined;
}

export interface Discovery {
  /**
   * Resolves when the control plane has said of the service (`namespace/name`) that it is there or that it is absent, and
   * in any case within 5 s: look at the snapshot again. Never rejects. At once for what is known already.
   */
  subscribe(service: string): Promise<void>;
  /** Whether this instance takes requests, and why not. False before a drain. */
  setReady(ready: boolean, reason?: string): void;
  status(): DiscoveryStatus;
  /** Resolves with the first inputs in force, from the control plane or from disk. */
  readonly synced: Promise<void>;
  /** Says goodbye, so that the endpoint is taken out at once. */
  close(): Promise<void>;
}

/** Waits before the next connection: a random part of 0.1 s, doubled for each failure up to 30 s. */
const firstBackoffMs = 100;
const lastBackoffMs = 30_000;
/** A stream that brings no push for so long after Hello is given up. The control plane may take 10 s to read its log. */
const helloMs = 20_000;
/** How long the end of the stream is waited for by `close`. */
const goodbyeMs = 1000;

interface Session {
  readonly stream: DiscoveryStream;
  /** What the control plane believes this sidecar to run: pushes are differences to it. */
  base: Inputs;
  busy: boolean;
  greeted: boolean;
  readonly cancelHello: () => void;
}

/** Keeps the inputs of this sidecar those that the control plane wants, and tells it when they cannot be. */
export function startDiscovery(options: DiscoveryOptions): Discovery {
  const client = new Client(options);
  return {
    subscribe: (service) => client.subscribe(service),
    setReady: (ready, reason) => client.setReady(ready, reason),
    status: () => client.status(),
    synced: client.synced,
    close: () => client.close(),
  };
}

class Client {
  readonly synced: Promise<void>;
  readonly #options: DiscoveryOptions;
  readonly #subscriptions: Subscriptions;
  #setSynced: () => void = () => {};
  #inputs: Inputs = noInputs;
  #session: Session | undefined;
  #failures = 0;
  #cancelBackoff: (() => void) | undefined;
  #ready = false;
  #reason = '';
  #rootsVersion = '';
  #since: number;
  #lastPushMs: number | undefined;
  #lastNack: DiscoveryStatus['lastNack'];
  #accepting: Promise<void>;
  #closed = false;
  #onOver: () => void = () => {};

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#since = options.clock.wall();
    this.synced = new Promise((resolve) => {
      this.#setSynced = resolve;
    });
    this.#subscriptions = new Subscriptions(options.subscriptions, options.clock, (services) => {
      this.#session?.stream.send({ subscribe: { services: services.map(serviceKeyOf) } });
    });
    this.#accepting = this.#start();
  }

  subscribe(service: string): Promise<void> {
    return this.#closed ? Promise.resolve() : this.#subscriptions.add(service, this.#inputs);
  }

  setReady(ready: boolean, reason = ''): void {
    if (this.#ready === ready && this.#reason === reason) return;
    this.#ready = ready;
    this.#reason = reason;
    this.#session?.stream.send({ state: { ready, reason } });
  }

  status(): DiscoveryStatus {
    return {
      connected: this.#session?.greeted ?? false,
      since: this.#since,
      revision: this.#inputs.revision,
      lastPushMs: this.#lastPushMs,
      lastNack: this.#lastNack,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelBackoff?.();
    this.#subscriptions.close();
    const session = this.#session;
    if (session !== undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onOver = resolve;
      const cancel = this.#options.clock.after(goodbyeMs, () => session.stream.cancel());
      if (this.#ready) session.stream.send({ state: { ready: false } });
      session.stream.end();
      await promise;
      cancel();
    }
    await this.#accepting;
  }

  async #start(): Promise<void> {
    const saved = await this.#options.disk?.load();
    if (saved !== undefined) {
      this.#subscriptions.restore(saved.subscriptions);
      const problems = await this.#accept(saved.inputs);
      if (problems.length === 0) this.#inForce(saved.inputs);
      else this.#options.log.warn('discovery.disk-rejected', { problems: problems.map(textOf) });
    }
    this.#connect();
  }

  #connect(): void {
    this.#cancelBackoff = undefined;
    if (this.#closed) return;
    const channel = this.#options.channel();
    if (channel === undefined) {
      this.#retry('there is no certificate yet');
      return;
    }
    const stream = openDiscoveryStream(channel, {
      onPush: (push) => this.#onPush(session, push),
      onOver: (why) => this.#onEnd(session, why),
    });
    const message = helloMessage(this.#options.hello, {
      inputs: this.#inputs,
      subscriptions: this.#subscriptions.list(),
      ready: this.#ready,
      reason: this.#reason,
      rootsVersion: this.#rootsVersion,
    });
    const session: Session = {
      stream,
      base: message.revision === 0 ? noInputs : this.#inputs,
      busy: false,
      greeted: false,
      cancelHello: this.#options.clock.after(helloMs, () => stream.cancel()),
    };
    this.#session = session;
    stream.send({ hello: message });
  }

  #retry(why: string): void {
    const { clock, random, log } = this.#options;
    const most = Math.min(lastBackoffMs, firstBackoffMs * 2 ** Math.min(this.#failures, 20));
    this.#failures++;
    const waitMs = Math.ceil(random.unit() * most);
    log.warn('discovery.disconnected', { problem: why, retryMs: waitMs });
    this.#cancelBackoff = clock.after(waitMs, () => this.#connect());
  }

  #onEnd(session: Session, why: string): void {
    session.cancelHello();
    if (this.#session !== session) return;
    this.#session = undefined;
    if (session.greeted) this.#since = this.#options.clock.wall();
    this.#onOver();
    if (!this.#closed) this.#retry(why);
  }

  #onPush(session: Session, push: Push__Output): void {
    session.cancelHello();
    if (session.busy) {
      // The next push comes after the answer to this one: whoever does otherwise is not worth a queue.
      session.stream.cancel();
    } else if (!push.full && push.revision < session.base.revision) {
      // Only a push that is everything may go back: then the log of the control plane was restored from a copy.
      this.#options.log.error('discovery.went-back', { from: session.base.revision, to: push.revision });
      session.stream.cancel();
    } else {
      this.#failures = 0;
      session.busy = true;
      this.#greeted(session, push.revision);
      // One at a time, also when a push of the stream before is still being compiled.
      this.#accepting = this.#accepting.then(() => this.#take(session, push));
    }
  }

  #greeted(session: Session, revision: number): void {
    if (session.greeted) return;
    session.greeted = true;
    this.#since = this.#options.clock.wall();
    this.#options.log.info('discovery.connected', { revision });
  }

  async #take(session: Session, push: Push__Output): Promise<void> {
    if (this.#session !== session) return;
    if (push.roots.length > 0) {
      this.#rootsVersion = contentHash(Buffer.concat(push.roots));
      this.#options.onRoots(push.roots);
    }
    const result = applyPush(session.base, push);
    const problems = 'problems' in result ? result.problems : await this.#accept(result.inputs);
    session.busy = false;
    if ('problems' in result || problems.length > 0) {
      this.#lastNack = { atMs: this.#options.clock.wall(), problems };
      this.#options.log.error('discovery.push-rejected', { revision: push.revision, problems: problems.map(textOf) });
      const told = problems.map(({ key = null, path, message }) => ({ key, path, message }));
      session.stream.send({ nack: { nonce: push.nonce, problems: told } });
      return;
    }
    session.base = result.inputs;
    this.#lastNack = undefined;
    this.#lastPushMs = this.#options.clock.wall();
    this.#inForce(result.inputs);
    session.stream.send({ ack: { nonce: push.nonce } });
    this.#options.disk?.save({ inputs: result.inputs, subscriptions: this.#subscriptions.list() });
  }

  #inForce(inputs: Inputs): void {
    this.#inputs = inputs;
    this.#setSynced();
    this.#subscriptions.answered(inputs);
  }

  async #accept(inputs: Inputs): Promise<readonly PushProblem[]> {
    try {
      const issues = await this.#options.accept(inputs);
      const keys = issues.length === 0 ? [] : [...inputs.resources.values()].map(({ key }) => key);
      return issues.map(({ path, message, resource }) => {
        const key = resource === undefined ? undefined : keys[resource];
        return { path, message, ...(key === undefined ? {} : { key }) };
      });
    } catch (thrown) {
      this.#options.log.error('discovery.compile-failed', { problem: messageOf(thrown) });
      return [{ path: '', message: `the sidecar failed to compile this: ${messageOf(thrown)}` }];
    }
  }
}

const textOf = ({ key, path, message }: PushProblem): string =>
  `${[key === undefined ? '' : keyText(key), path].filter((part) => part !== '').join(' ')}: ${message}`;
