/** One metric as scrapes and the docs name it. */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** In the order in which they are written. */
  readonly labels: readonly string[];
  readonly help: string;
}

/** The media type of what `Exposition` writes. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** Writes metrics in the text format 0.0.4 of Prometheus: HELP and TYPE, then the samples of one metric together. */
export class Exposition {
  #text = '';

  /** Begins a metric. Its samples follow, before the next metric begins. */
  metric(name: string, { type, help }: Pick<MetricRow, 'type' | 'help'>): void {
    this.#text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
  }

  /** One sample. `labels` as `labelText` writes them, without braces; '' for none. */
  sample(name: string, labels: string, value: number): void {
    this.#text += labels === '' ? `${name} ${numberText(value)}\n` : `${name}{${labels}} ${numberText(value)}\n`;
  }

  text(): string {
    return this.#text;
  }
}

/** `a="1",b="2"`, escaped. */
export const labelText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');

const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

const numberText = (value: number): string =>
  value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value);

/** A histogram: `counts` has one for each bound, and one for what is above them all. `sum`: of what was measured. */
export function writeHistogram(
  out: Exposition,
  name: string,
  labels: string,
  of: { readonly bounds: readonly string[]; readonly counts: ArrayLike<number>; readonly sum: number },
): void {
  const { bounds, counts, sum } = of;
  const prefix = labels === '' ? '' : `${labels},`;
  let below = 0;
  for (const [bucket, bound] of bounds.entries()) {
    below += counts[bucket]!;
    out.sample(`${name}_bucket`, `${prefix}le="${bound}"`, below);
  }
  below += counts[bounds.length]!;
  out.sample(`${name}_bucket`, `${prefix}le="+Inf"`, below);
  out.sample(`${name}_sum`, labels, sum);
  out.sample(`${name}_count`, labels, below);
}

/** The rows of a table as docs show them. */
export const metricRows = (table: Readonly<Record<string, MetricRow>>): string =>
  [
    '| metric | type | labels | meaning |',
    '|---|---|---|---|',
    ...Object.entries(table).map(
      ([name, { type, labels, help }]) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`,
    ),
  ].join('\n');
