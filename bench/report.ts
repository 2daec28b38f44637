import type { Verdict } from './budgets.ts';
import { type Metric, metrics, type Row, type Table, valuesOf } from './metrics.ts';
import { ratios, spread } from './stats.ts';

/** The peers that the CPU of every line is compared with. */
const yardsticks = ['haproxy', 'envoy'];

/** Markdown, so that what is printed can stand in the README as it is. */
export function renderTable(table: Table): string {
  const yards = table.columns.includes('cpuUs')
    ? yardsticks.flatMap((name) => table.rows.filter((row) => row.contender === name && row.rounds.length > 0))
    : [];
  const header = ['', ...table.columns.map((metric) => metrics[metric].title), ...yards.map((r) => `÷ ${r.contender}`)];
  const body = table.rows.map((row) => [
    row.contender,
    ...table.columns.map((metric) => cell(row, metric)),
    ...yards.map((yard) => ratioCell(row, yard)),
  ]);
  const problems = table.rows.flatMap((row) => row.problems.map((problem) => `- ${row.contender}: ${problem}`));
  return [`### ${table.scenario}: ${table.title}`, '', ...alignedRows([header, ...body]), ...['', ...problems]].join(
    '\n',
  );
}

function cell(row: Row, metric: Metric): string {
  const values = valuesOf(row, metric).filter((value) => value !== undefined);
  return values.length === 0 ? '–' : spread(values).median.toFixed(metrics[metric].digits);
}

/** Median of the ratios round by round, and between which values they lay. */
function ratioCell(row: Row, yard: Row): string {
  const found = ratios(valuesOf(row, 'cpuUs'), valuesOf(yard, 'cpuUs'));
  if (found.length === 0) return '–';
  const { median, min, max } = spread(found);
  return row === yard ? '1' : `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

function alignedRows(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, column) => (column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)];
}

export function renderVerdicts(verdicts: readonly Verdict[]): string {
  const signs = { kept: 'kept  ', missed: 'MISSED', 'not measured': 'not measured' };
  const lines = verdicts.map(
    ({ verdict, text, value }) => `${signs[verdict]} ${text}${value === undefined ? '' : ` (is ${value.toFixed(2)})`}`,
  );
  return ['### budgets', '', ...lines.map((line) => `- ${line}`)].join('\n');
}
