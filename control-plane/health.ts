import { type ServerWritableStream, status } from '@grpc/grpc-js';
import type { Clock } from '../lib/clock.ts';
import type { HealthDefinition, HealthHandlers } from '../proto/gen/grpc/health/v1/Health.ts';
import type { HealthCheckRequest__Output } from '../proto/gen/grpc/health/v1/HealthCheckRequest.ts';
import type { HealthCheckResponse } from '../proto/gen/grpc/health/v1/HealthCheckResponse.ts';
import { healthProto } from '../proto/load.ts';

/** How often those who watch find out. */
const LOOK_MS = 1000;
/** Anybody may watch, without a certificate. */
const MAX_WATCHERS = 100;

type Watcher = ServerWritableStream<HealthCheckRequest__Output, HealthCheckResponse>;

export interface HealthService {
  readonly definition: HealthDefinition;
  readonly handlers: HealthHandlers;
  /** Ends what is watched, having said that nothing is served any more. */
  close(): void;
}

/**
 * grpc.health.v1: whether this control plane can do its work. Probes have no certificate, so it asks for none and says
 * nothing else. `services`: the names that may be asked for besides '', the whole; all do their work, or none.
 */
export function healthService(options: {
  readonly services: readonly string[];
  readonly healthy: () => boolean;
  readonly clock: Clock;
}): HealthService {
  const { healthy, clock } = options;
  const known = new Set(['', ...options.services]);
  /** True for those of a service that is here. */
  const watchers = new Map<Watcher, boolean>();
  let told = healthy();
  let cancel = (): void => {};

  const say = (serving: boolean): HealthCheckResponse => ({ status: serving ? 'SERVING' : 'NOT_SERVING' });
  const tell = (serving: boolean): void => {
    told = serving;
    for (const [watcher, isKnown] of watchers) if (isKnown) watcher.write(say(serving));
  };
  const look = (): void => {
    if (healthy() !== told) tell(!told);
    cancel();
    if (watchers.size > 0) cancel = clock.after(LOOK_MS, look);
  };

  return {
    definition: healthProto().Health.service,
    handlers: {
      Check(call, callback) {
        if (known.has(call.request.service)) callback(null, say(healthy()));
        else callback({ code: status.NOT_FOUND, details: 'no service of this name is here' });
      },

      Watch(call) {
        if (watchers.size >= MAX_WATCHERS) {
          call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: `${MAX_WATCHERS} calls watch already` });
          return;
        }
        const isKnown = known.has(call.request.service);
        watchers.set(call, isKnown);
        call.on('cancelled', () => watchers.delete(call));
        // Another version may have the service: the call goes on in any case.
        call.write(isKnown ? say(told) : { status: 'SERVICE_UNKNOWN' });
        look();
      },
    },

    close() {
      cancel();
      tell(false);
      for (const watcher of watchers.keys()) watcher.end();
      watchers.clear();
    },
  };
}
