import type { MetricRow } from './metric-table.ts';

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
