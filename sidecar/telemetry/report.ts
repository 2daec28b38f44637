import type { ChannelCredentials, ChannelOptions, ClientWritableStream } from '@grpc/grpc-js';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { type Random, systemRandom } from '../../lib/random.ts';
import type { EdgeReport } from '../../proto/gen/weft/v1/EdgeReport.ts';
import { weftProto } from '../../proto/load.ts';
import type { EdgeWindow } from './edge-stats.ts';

/** What is told to the control plane, for as long as it is there to hear. */
export interface Reports {
  /** Sends the last window, for at most a second. */
  close(): Promise<void>;
}

const firstBackoffMs = 500;
const maxBackoffMs = 30_000;
const closeMs = 1000;

/**
 * Streams what the edges counted to the control plane, one message a window, none when there was no traffic. While the
 * stream is down or does not drain, nothing is queued: the counters go on, and the next window is longer.
 * `take` gives the edges since its last call. `channel` is asked for at each connect, so certificates may change.
 */
export function startReports(options: {
  readonly channel: () => {
    readonly target: string;
    readonly credentials: ChannelCredentials;
    readonly options: ChannelOptions;
  };
  readonly take: () => readonly EdgeWindow[];
  readonly everyMs?: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: Random;
}): Reports {
  const { channel, take, everyMs = 1000, clock, log, random = systemRandom } = options;
  let stream: ClientWritableStream<EdgeReport> | undefined;
  let cancelTimer = (): void => {};
  let onEnd = (): void => {};
  let failures = 0;
  let closed = false;
  let takenAt = clock.now();

  const connect = (): void => {
    const { target, credentials, options: channelOptions } = channel();
    const client = new (weftProto().Telemetry)(target, credentials, {
      ...channelOptions,
      // A control plane that vanished without a word is noticed within fifteen seconds.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5000,
    });
    stream = client.Report((error) => {
      stream = undefined;
      cancelTimer();
      client.close();
      onEnd();
      if (closed) return;
      const most = Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(failures, 10));
      failures++;
      log.debug('reports interrupted', { why: error?.details ?? 'the control plane ended the stream' });
      // Half of it by chance: sidecars that lost the same control plane do not come back at the same moment.
      cancelTimer = clock.after(most / 2 + random.unit() * (most / 2), connect);
    });
    // The callback above says the same; without a listener an error would end the process.
    stream.on('error', (error) => log.debug('report stream failed', { why: error.message }));
    tick();
  };

  const tick = (): void => {
    cancelTimer = clock.after(everyMs, () => {
      // One window is on its way at most.
      if (stream?.writableLength === 0) report(stream);
      tick();
    });
  };

  const report = (to: ClientWritableStream<EdgeReport>): void => {
    const now = clock.now();
    const edges = take();
    const windowMs = Math.round(now - takenAt);
    takenAt = now;
    if (edges.length === 0) return;
    to.write({ windowMs, edges: edges.map(wireEdge) }, (error?: Error | null) => {
      if (!error) failures = 0;
    });
  };

  connect();
  return {
    close: () =>
      new Promise((resolve) => {
        closed = true;
        cancelTimer();
        if (stream === undefined) return resolve();
        const ending = stream;
        report(ending);
        const cancel = clock.after(closeMs, () => ending.cancel());
        onEnd = () => {
          cancel();
          resolve();
        };
        ending.end();
      }),
  };
}

const directions = { inbound: 'INBOUND', outbound: 'OUTBOUND' } as const;

function wireEdge(edge: EdgeWindow): NonNullable<EdgeReport['edges']>[number] {
  const slash = edge.peer.indexOf('/');
  return {
    direction: directions[edge.direction],
    peer: { namespace: edge.peer.slice(0, Math.max(0, slash)), name: edge.peer.slice(slash + 1) },
    peerIdentity: edge.peerIdentity,
    requests: edge.requests,
    failures: edge.failures,
    latency: [...edge.latency],
    retries: edge.retries,
  };
}
