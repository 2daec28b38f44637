import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { formatSpiffe, type Identity } from '../../lib/spiffe.ts';
import type { FromControlPlane } from '../../proto/gen/weft/v1/FromControlPlane.ts';
import type { FromSidecar__Output } from '../../proto/gen/weft/v1/FromSidecar.ts';
import type { EndpointWatcher } from '../snapshots/endpoints.ts';
import type { Scope } from '../snapshots/scope.ts';
import type { ScopeMember } from '../snapshots/scopes.ts';
import type { PushStats } from '../telemetry/metrics.ts';
import { parseHello, parseProblems, parseReason, parseServices, type SidecarHello } from './hello.ts';
import type { TokenBucket } from './limits.ts';
import type { LiveProxy } from './proxies.ts';
import { Refusal } from './refusal.ts';
import { holdsNothing, type Problem, Subscription, type SyncState, type World } from './subscription.ts';

export type DiscoveryCall = ServerDuplexStream<FromSidecar__Output, FromControlPlane>;

/** What a stream needs of the service that it belongs to. */
export interface StreamHost {
  readonly log: Log;
  /** The world without what is particular to one stream. */
  world(): World;
  /** Lets the sidecar in, or throws a Refusal. From then on `left` is owed. */
  entered(stream: Stream): void;
  left(stream: Stream): void;
  /** Waits while the log is behind `revision`, for a bounded time. */
  caughtUp(stream: Stream, revision: number, then: (reached: boolean) => void): () => void;
  scope(stream: Stream): Scope;
  watch(stream: Stream, service: string): void;
  unwatch(stream: Stream, service: string): void;
  /** `stream.send` is to be called soon. */
  due(stream: Stream): void;
  readiness(stream: Stream): void;
  /** Revision, state or problems are others. */
  changed(): void;
  readonly pushes: PushStats;
}

/** One sidecar on its stream: messages in, pushes out. */
export class Stream implements ScopeMember, EndpointWatcher, LiveProxy {
  readonly identity: Identity;
  readonly #call: DiscoveryCall;
  readonly #host: StreamHost;
  readonly #messages: TokenBucket;
  readonly #watched = new Set<string>();
  #log: Log;
  #hello: SidecarHello | undefined;
  #subscriptions: readonly string[] = [];
  #ready = false;
  #reason = '';
  #subscription: Subscription | undefined;
  #cancelWait: (() => void) | undefined;
  #span: Span | undefined;
  /** Counts the answer to the push that is under way. */
  #pushed: ReturnType<PushStats['sent']> | undefined;
  #over = false;

  constructor(call: DiscoveryCall, identity: Identity, host: StreamHost, messages: TokenBucket) {
    this.#call = call;
    this.identity = identity;
    this.#host = host;
    this.#messages = messages;
    this.#log = host.log.with({ sidecar: formatSpiffe(identity) });
    call.on('data', (message: FromSidecar__Output) => this.#onMessage(message));
    call.on('end', () => {
      this.#finish();
      call.end();
    });
    call.on('cancelled', () => this.#finish());
    call.on('error', (error: Error) => {
      if (!this.#over) this.#log.warn('discovery.stream-failed', { problem: error.message });
      this.#finish();
    });
  }

  get hello(): SidecarHello {
    if (this.#hello === undefined) throw new Error('asked for the Hello of a stream that has none yet');
    return this.#hello;
  }

  get greeted(): boolean {
    return this.#hello !== undefined;
  }

  get subscriptions(): readonly string[] {
    return this.#subscriptions;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Why it is not ready, as it says. */
  get reason(): string {
    return this.#reason;
  }

  get state(): SyncState {
    return this.#subscription?.state ?? 'pending';
  }

  get problems(): readonly Problem[] {
    return this.#subscription?.problems ?? [];
  }

  revision(current: number): number {
    return this.#subscription?.revision(current) ?? 0;
  }

  onScope(scope: Scope): void {
    this.#subscription?.want(scope, this.#host.world().revision);
    this.#watch();
    this.#host.due(this);
    this.#host.changed();
  }

  onEndpoints(service: string): void {
    this.#subscription?.touch(service);
    this.#host.due(this);
  }

  /** Every endpoint may have changed. */
  refresh(): void {
    this.#subscription?.touchAll();
    this.#host.due(this);
  }

  /** Sends what there is to send, if it may be sent now. */
  send(): void {
    if (this.#over) return;
    const push = this.#subscription?.next(this.#host.world());
    if (push !== undefined) {
      this.#span = trace.getTracer('weft').startSpan('discovery.push', {
        attributes: { 'weft.service': this.hello.service, 'weft.revision': Number(push.revision) },
      });
      this.#pushed = this.#host.pushes.sent();
      this.#call.write({ push });
    }
    this.#host.changed();
  }

  /** Ends the stream from this side. */
  refuse(refusal: Refusal): void {
    if (this.#over) return;
    this.#log.warn('discovery.stream-refused', { code: refusal.code, problem: refusal.message });
    this.#finish();
    // How a server-side gRPC stream is ended with a status.
    this.#call.emit('error', refusal.status);
  }

  #onMessage(message: FromSidecar__Output): void {
    if (this.#over) return;
    try {
      if (!this.#messages.take()) throw new Refusal('RESOURCE_EXHAUSTED', 'too many messages on this stream');
      this.#take(message);
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) this.#log.error('discovery.message-failed', { problem: messageOf(thrown) });
      this.refuse(thrown instanceof Refusal ? thrown : new Refusal('UNAVAILABLE', 'the control plane failed'));
    }
  }

  #take(message: FromSidecar__Output): void {
    const { hello, subscribe, ack, nack, state } = message;
    if (hello) this.#greet(hello);
    else if (this.#hello === undefined) throw new Refusal('INVALID_ARGUMENT', 'the first message must be Hello');
    else if (subscribe) this.#resubscribe(parseServices(subscribe.services));
    else if (ack) this.#answered(this.#subscription?.ack(ack.nonce) ?? false);
    else if (nack) this.#refused(nack.nonce, parseProblems(nack));
    else if (state) {
      this.#ready = state.ready;
      this.#reason = parseReason(state.reason);
      this.#host.readiness(this);
    }
    // Anything else is from a later version, and says nothing that this one could act on.
  }

  #greet(message: NonNullable<FromSidecar__Output['hello']>): void {
    if (this.#hello !== undefined) throw new Refusal('INVALID_ARGUMENT', 'Hello comes once');
    const hello = parseHello(message, this.identity, addressOf(this.#call.getPeer()));
    this.#hello = hello;
    this.#subscriptions = hello.subscriptions;
    this.#ready = hello.ready;
    this.#reason = hello.reason;
    this.#log = this.#log.with({ instance: hello.instance });
    this.#host.entered(this);
    // A log that is behind the sidecar's belongs to a control plane that has still to read on. One that stays behind was
    // restored: then the sidecar gets everything anew, with the lower revision.
    this.#cancelWait = this.#host.caughtUp(this, hello.revision, (reached) => {
      const held = reached ? hello.held : { ...holdsNothing, roots: hello.held.roots };
      this.#subscription = new Subscription(this.#host.scope(this), held, reached ? hello.revision : 0);
      this.#watch();
      this.#host.due(this);
    });
    this.#log.info('discovery.connected', { revision: String(hello.revision), version: hello.version });
  }

  #resubscribe(services: readonly string[]): void {
    this.#subscriptions = services;
    if (this.#subscription === undefined) return;
    this.#subscription.want(this.#host.scope(this));
    this.#watch();
    this.#host.due(this);
  }

  #answered(known: boolean, result: 'acknowledged' | 'refused' = 'acknowledged'): void {
    if (!known) return; // an answer to a push of before: it says nothing about the one under way
    this.#endPush(result);
    this.#watch();
    this.#host.due(this);
    this.#host.changed();
  }

  #refused(nonce: number, problems: readonly Problem[]): void {
    const known = this.#subscription?.nack(nonce, problems) ?? false;
    if (!known) return;
    const texts = problems.map(({ resource, path, message }) => `${resource} ${path}: ${message}`);
    this.#log.warn('discovery.push-rejected', { problems: texts });
    this.#span?.setStatus({ code: SpanStatusCode.ERROR, message: 'rejected' });
    this.#answered(true, 'refused');
  }

  #watch(): void {
    const services = new Set(this.#subscription?.services());
    for (const service of this.#watched) {
      if (services.has(service)) continue;
      this.#watched.delete(service);
      this.#host.unwatch(this, service);
    }
    for (const service of services) {
      if (this.#watched.has(service)) continue;
      this.#watched.add(service);
      this.#host.watch(this, service);
    }
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelWait?.();
    this.#endPush('lost');
    for (const service of this.#watched) this.#host.unwatch(this, service);
    this.#watched.clear();
    this.#host.left(this);
  }

  #endPush(result: Parameters<ReturnType<PushStats['sent']>>[0]): void {
    this.#pushed?.(result);
    this.#pushed = undefined;
    this.#span?.end();
    this.#span = undefined;
  }
}

/** The IP address in what gRPC calls the peer, `address:port`. */
const addressOf = (peer: string): string => peer.replace(/:[0-9]+$/, '').replace(/^::ffff:(?=[0-9.]+$)/, '');
