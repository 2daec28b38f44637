import type { ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { keyOf } from '../../policies/resource.ts';
import type { watchEventSchemas } from '../../proto/api/api.ts';
import type { Registry } from '../registry/registry.ts';
import type { Mutation, Store } from '../store/store.ts';
import type { Proxies } from './parts.ts';
import { ApiError } from './problem.ts';

const heartbeatMs = 15_000;
const maxWatchers = 256;
/** A reader that lets this much pile up is cut off: it has to read the present state anyway. */
const maxQueuedBytes = 1024 * 1024;

type Events = { readonly [K in keyof typeof watchEventSchemas]: z.infer<(typeof watchEventSchemas)[K]> };

/** Server-sent events for whoever wants to know what changes. Each event is encoded once for all readers. */
export interface Watch {
  /** Makes this response a stream of events. Resolves when it has ended. Throws ApiError OVERLOADED. */
  open(response: ServerResponse): Promise<void>;
  /** How many read now. */
  readers(): number;
  close(): void;
}

export function startWatch(parts: {
  readonly store: Store;
  readonly registry: Registry;
  readonly proxies: Proxies;
  readonly clock: Clock;
}): Watch {
  const { store, registry, proxies, clock } = parts;
  const readers = new Set<ServerResponse>();

  const write = (response: ServerResponse, chunk: string): void => {
    if (response.writableLength + chunk.length > maxQueuedBytes) response.destroy();
    else response.write(chunk);
  };
  const tell = <K extends keyof Events>(name: K, data: Events[K]): void => {
    if (readers.size === 0) return;
    const chunk = eventText(name, data);
    for (const reader of readers) write(reader, chunk);
  };
  /** What was last told of each sidecar, so that only those that changed are told again. */
  let told = new Map<string, string>();
  const tellProxies = (): void => {
    const now = new Map<string, string>();
    for (const proxy of readers.size === 0 ? [] : proxies.list()) {
      const key = `${proxy.namespace}/${proxy.service}/${proxy.instance}`;
      now.set(key, JSON.stringify(proxy));
      if (told.get(key) !== now.get(key)) tell('proxy', proxy);
    }
    told = now;
  };
  let cancelHeartbeat = (): void => {};
  const heartbeat = (): void => {
    for (const reader of readers) write(reader, ': still here\n\n');
    cancelHeartbeat = clock.after(heartbeatMs, heartbeat);
  };
  cancelHeartbeat = clock.after(heartbeatMs, heartbeat);

  const ends = [
    store.subscribe((_state, { revision, at, author, message, mutations }) =>
      tell('revision', {
        revision,
        at: new Date(at).toISOString(),
        author,
        message,
        keys: mutations.map(keyOfMutation),
      }),
    ),
    registry.subscribe((service) => {
      const [namespace = '', name = ''] = service.split('/');
      tell('service', { namespace, name, endpoints: registry.endpoints(service).length });
    }),
    proxies.subscribe(tellProxies),
  ];

  return {
    async open(response) {
      if (readers.size >= maxWatchers) throw new ApiError('OVERLOADED', `${maxWatchers} readers watch already`);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      // Registered before it is told where it starts, so that nothing falls between the two.
      readers.add(response);
      write(response, eventText('hello', { revision: store.current().revision }));
      await new Promise<void>((resolve) => response.once('close', resolve));
      readers.delete(response);
    },
    readers: () => readers.size,
    close() {
      cancelHeartbeat();
      for (const end of ends) end();
      for (const reader of readers) reader.end();
    },
  };
}

const eventText = <K extends keyof Events>(name: K, data: Events[K]): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

const keyOfMutation = (mutation: Mutation) => (mutation.op === 'put' ? keyOf(mutation.resource) : mutation.key);
