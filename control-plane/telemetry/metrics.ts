import type { Clock } from '../../lib/clock.ts';
import { Exposition, labelText, type MetricRow, metricRows, writeHistogram } from '../../lib/exposition.ts';
import { boundTexts, bucketCount, bucketOf } from '../../lib/latency.ts';
import { processMetrics, writeProcess } from '../../lib/process-metrics.ts';
import type { ApiProxy } from '../../proto/api/api.ts';

/** Every metric of a control plane. `docs/metrics.md` is generated from this table, and a scrape writes nothing else. */
export const controlPlaneMetricTable = {
  weft_control_plane_sidecars: {
    type: 'gauge',
    labels: ['state'],
    help: 'Sidecars that are connected here, or were within the last hour. state: synced, pending (has not answered the last push yet), rejected (refused it) or disconnected.',
  },
  weft_control_plane_sidecars_ready: { type: 'gauge', labels: [], help: 'Connected sidecars that are ready.' },
  weft_control_plane_revision: { type: 'gauge', labels: [], help: 'The last revision of the mesh.' },
  weft_control_plane_store_healthy: {
    type: 'gauge',
    labels: [],
    help: 'Whether the store can be read and written: 1 or 0. Without it nothing can be changed.',
  },
  weft_control_plane_pushes_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Configurations sent to sidecars. result: acknowledged, refused, or lost when the stream ended first.',
  },
  weft_control_plane_push_duration_seconds: {
    type: 'histogram',
    labels: [],
    help: 'Time from sending a configuration to the answer of the sidecar.',
  },
  weft_control_plane_certificates_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Certificates that sidecars have asked for. result: issued or refused.',
  },
  weft_control_plane_root_expires_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the oldest root that certificates are signed under ends, in seconds since 1970.',
  },
  weft_control_plane_api_requests_total: {
    type: 'counter',
    labels: ['code_class'],
    help: 'Answers of the API, with those of the pages that it passes on. code_class: 2xx to 5xx.',
  },
  ...processMetrics,
} as const satisfies Record<string, MetricRow>;

type PushResult = 'acknowledged' | 'refused' | 'lost';

/** Counts pushes to sidecars. */
export interface PushStats {
  /** One is sent. What it gives is called once, when it is answered or never will be. */
  sent(): (result: PushResult) => void;
}

/** What a scrape looks up. */
export interface ControlPlaneState {
  readonly version: string;
  readonly proxies: readonly Pick<ApiProxy, 'state' | 'ready'>[];
  readonly revision: number;
  readonly storeHealthy: boolean;
  /** Epoch ms. */
  readonly rootExpires: number;
}

/** The counters of one control plane. */
export class ControlPlaneMetrics implements PushStats {
  readonly #clock: Clock;
  readonly #pushes: Record<PushResult, number> = { acknowledged: 0, refused: 0, lost: 0 };
  readonly #pushLatency = new Float64Array(bucketCount);
  #pushMs = 0;
  readonly #certificates = { issued: 0, refused: 0 };
  /** By first digit of the status. */
  readonly #answers = new Float64Array(6);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  sent(): (result: PushResult) => void {
    const sentMs = this.#clock.now();
    return (result) => {
      this.#pushes[result]++;
      if (result === 'lost') return;
      const ms = this.#clock.now() - sentMs;
      this.#pushLatency[bucketOf(ms * 1000)]!++;
      this.#pushMs += ms;
    };
  }

  certificate(result: 'issued' | 'refused'): void {
    this.#certificates[result]++;
  }

  answered(status: number): void {
    this.#answers[Math.floor(status / 100)]!++;
  }

  /** All metrics in the text format of Prometheus. */
  text({ version, proxies, revision, storeHealthy, rootExpires }: ControlPlaneState): string {
    const out = new Exposition();
    const metric = (
      name: keyof typeof controlPlaneMetricTable,
      samples: readonly (readonly [string, number])[],
    ): void => {
      out.metric(name, controlPlaneMetricTable[name]);
      for (const [labels, value] of samples) out.sample(name, labels, value);
    };
    const states = ['synced', 'pending', 'rejected', 'disconnected'] as const;
    const inState = (state: string): number => proxies.filter((proxy) => proxy.state === state).length;
    const by = (label: string, counts: Readonly<Record<string, number>>): [string, number][] =>
      Object.entries(counts).map(([value, count]) => [labelText({ [label]: value }), count]);
    metric(
      'weft_control_plane_sidecars',
      states.map((state) => [labelText({ state }), inState(state)] as const),
    );
    metric('weft_control_plane_sidecars_ready', [['', proxies.filter(({ ready }) => ready).length]]);
    metric('weft_control_plane_revision', [['', revision]]);
    metric('weft_control_plane_store_healthy', [['', storeHealthy ? 1 : 0]]);
    metric('weft_control_plane_pushes_total', by('result', this.#pushes));
    metric('weft_control_plane_push_duration_seconds', []);
    writeHistogram(out, 'weft_control_plane_push_duration_seconds', '', {
      bounds: boundTexts,
      counts: this.#pushLatency,
      sum: this.#pushMs / 1000,
    });
    metric('weft_control_plane_certificates_total', by('result', this.#certificates));
    metric('weft_control_plane_root_expires_timestamp_seconds', [['', rootExpires / 1000]]);
    const classes = [2, 3, 4, 5].map((digit) => [`${digit}xx`, this.#answers[digit]!] as const);
    metric('weft_control_plane_api_requests_total', by('code_class', Object.fromEntries(classes)));
    writeProcess(out, version);
    return out.text();
  }
}

/** The part about control planes of the page `docs/metrics.md`. */
export const controlPlaneMetricsReference = (): string => `## Of a control plane

At \`/metrics\` of its API, with the token of the API.

${metricRows(controlPlaneMetricTable)}
`;
