// The rules of Prometheus and the dashboard of Grafana say only what there is.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { controlPlaneMetricTable } from '../control-plane/telemetry/metrics.ts';
import type { MetricRow } from '../lib/exposition.ts';
import { metricTable } from '../sidecar/telemetry/metric-table.ts';
import { findTool } from '../test/harness/tools.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const promtool = findTool('promtool');
const withPromtool = promtool === undefined ? test.skip : test;

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: { readonly severity: string };
  readonly annotations?: { readonly summary: string; readonly runbook: string };
}
const rules = (parse(read('deploy/prometheus/rules.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
const dashboard = JSON.parse(read('deploy/grafana/dashboards/weft.json')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition: string }[] };
};

const table: Readonly<Record<string, MetricRow>> = { ...metricTable, ...controlPlaneMetricTable };
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
/** What Prometheus and its configuration add to every series. */
const targetLabels = ['component', 'workload', 'instance', 'job'];

/** Every metric in an expression, with the labels that are asked for in its braces. */
function* metricsOf(expr: string): Generator<{ readonly name: string; readonly labels: readonly string[] }> {
  for (const [, name, braces = ''] of expr.matchAll(/\b((?:weft|process|nodejs)[a-z0-9_:]*|up)\b(?:\{([^}]*)\})?/g))
    yield { name: name!, labels: [...braces.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!) };
}

const rowOf = (name: string): MetricRow | undefined => {
  const histogram = table[name.replace(/_(?:bucket|sum|count)$/, '')];
  return histogram?.type === 'histogram' ? histogram : table[name];
};

function problemsOf(expr: string): string[] {
  const problems: string[] = [];
  const known = new Set([...targetLabels, 'le']);
  for (const { name, labels } of metricsOf(expr)) {
    const row = rowOf(name);
    if (row === undefined && name !== 'up' && !recorded.has(name)) problems.push(`there is no metric ${name}`);
    for (const label of row?.labels ?? []) known.add(label);
    if (row?.type === 'counter' && !new RegExp(`rate\\(\\s*${name}\\b`).test(expr))
      problems.push(`${name} is a counter, and only its rate says something`);
    for (const label of labels)
      if (!targetLabels.includes(label) && !(row?.labels as readonly string[] | undefined)?.includes(label))
        problems.push(`${name} has no label ${label}`);
  }
  for (const [, list] of expr.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of list!.split(',').map((one) => one.trim()))
      if (!known.has(label)) problems.push(`no metric here has the label ${label}`);
  return problems;
}

test.each(rules.map(({ record, alert, expr }) => [record ?? alert, expr]))('%s is about what there is', (_, expr) => {
  expect(problemsOf(expr!)).toEqual([]);
});

test('each alert says how bad it is, what it is, and where to read on', () => {
  const page = read('docs/observability.md');
  const alerts = rules.filter(({ alert }) => alert !== undefined);
  expect(alerts.length).toBeGreaterThan(10);
  for (const { alert, labels, annotations } of alerts) {
    expect(labels?.severity).toMatch(/^(?:warning|critical)$/);
    expect(annotations?.summary).toBeTruthy();
    expect(annotations?.runbook).toMatch(new RegExp(`^docs/observability\\.md#${alert!.toLowerCase()}: .+`));
    expect(page).toContain(`\n### ${alert}\n`);
  }
  const described = [...page.matchAll(/^### (Weft\w+)$/gm)].map(([, name]) => name);
  expect(described).toEqual(alerts.map(({ alert }) => alert));
});

test.each(
  dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => [title, expr, legendFormat]),
  ),
)('the panel %s is about what there is: %s', (_, expr, legend) => {
  expect(problemsOf(expr!)).toEqual([]);
  const shown = [...legend!.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
  const summed = /\bby \(([^)]*)\)/.exec(expr!)?.[1]?.split(/,\s*/);
  for (const label of shown) expect(summed ?? [...targetLabels]).toContain(label);
});

test('the dashboard asks the data source that is provisioned, for variables that it has', () => {
  const { datasources } = parse(read('deploy/grafana/provisioning/datasources/prometheus.yml')) as {
    datasources: { uid: string; url: string }[];
  };
  const uid = datasources[0]?.uid;
  for (const panel of dashboard.panels.filter(({ type }) => type !== 'row')) expect(panel.datasource?.uid).toBe(uid);
  const variables = dashboard.templating.list.map(({ name }) => name);
  const text = JSON.stringify(dashboard.panels);
  for (const [, used] of text.matchAll(/\$([a-z]\w*)/g)) expect(variables).toContain(used);
  for (const { definition } of dashboard.templating.list)
    expect(problemsOf(`rate(${definition.slice(13)}`)).toEqual([]);
});

test('the overlay mounts files that are there, where its programs look for them', () => {
  const { services } = parse(read('deploy/compose/metrics.yml')) as {
    services: Record<string, { image: string; volumes: string[]; ports: string[] }>;
  };
  for (const { image, volumes, ports } of Object.values(services)) {
    expect(image).toMatch(/:v?[0-9]+\.[0-9]+\.[0-9]+$/);
    for (const [from] of volumes.map((volume) => volume.split(':')))
      if (from!.startsWith('.')) expect([from, existsSync(join(root, from!))]).toEqual([from, true]);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
});

withPromtool('promtool takes the rules and the configuration', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-prometheus-'));
  try {
    writeFileSync(join(folder, 'token'), 'correct-horse');
    writeFileSync(join(folder, 'rules.yml'), read('deploy/prometheus/rules.yml'));
    const config = read('deploy/prometheus/prometheus.yml').replaceAll('/run/weft/api-token', join(folder, 'token'));
    writeFileSync(join(folder, 'prometheus.yml'), config);
    const out = execFileSync(promtool!, [
      'check',
      'config',
      '--lint=all',
      '--lint-fatal',
      join(folder, 'prometheus.yml'),
    ]);
    expect(out.toString()).toContain(`${rules.length} rules found`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

withPromtool('alerts come as late as they should, of the series that they are about', () => {
  execFileSync(promtool!, ['test', 'rules', join(root, 'deploy/prometheus/rules.test.yml')], { stdio: 'pipe' });
});
