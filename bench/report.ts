import type { Verdict } from './budgets.ts';
import { type Metric, metrics, type Row, type Table, valuesOf } from './metrics.ts';
import { ratios, spread } from './stats.ts';

/** The peers that the cost of every other line is compared with. */
const yardsticks = ['haproxy', 'envoy', 'envoy (h2 between)'];

/** Markdown, so that what is printed can stand in the README as it is: medians, then ratios, then what went wrong. */
export function renderTable(table: Table): string {
  const header = ['', ...table.columns.map((metric) => metrics[metric].title)];
  const body = table.rows.map((row) => [row.contender, ...table.columns.map((metric) => cell(row, metric))]);
  const problems = table.rows.flatMap((row) => row.problems.map((problem) => `- ${row.contender}: ${problem}`));
  const parts = [
    [`### ${table.scenario}: ${table.title}`],
    alignedRows([header, ...body]),
    ratioTable(table),
    problems,
  ];
  return parts
    .filter((part) => part.length > 0)
    .map((part) => `${part.join('\n')}\n`)
    .join('\n');
}

function cell(row: Row, metric: Metric): string {
  const values = valuesOf(row, metric).filter((value) => value !== undefined);
  return values.length === 0 ? '–' : spread(values).median.toFixed(metrics[metric].digits);
}

/** Each line over each peer, for what tells a cost. */
function ratioTable(table: Table): readonly string[] {
  const compared = table.columns.filter((metric) => 'compared' in metrics[metric]);
  const yards = yardsticks.flatMap((name) =>
    table.rows.filter((row) => row.contender === name && row.rounds.length > 0),
  );
  if (compared.length === 0 || yards.length === 0) return [];
  const body = compared.flatMap((metric) =>
    table.rows
      .filter((row) => valuesOf(row, metric).some((value) => value !== undefined))
      .map((row) => [
        compared.length === 1 ? row.contender : `${row.contender}: ${metrics[metric].title}`,
        ...yards.map((yard) => ratioCell(row, yard, metric)),
      ]),
  );
  const title = compared.length === 1 ? metrics[compared[0]!].title : '';
  return body.length === 0 ? [] : alignedRows([[title, ...yards.map((yard) => `÷ ${yard.contender}`)], ...body]);
}

/** Median of the ratios round by round, and between which values they lay. */
function ratioCell(row: Row, yard: Row, metric: Metric): string {
  const found = ratios(valuesOf(row, metric), valuesOf(yard, metric));
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
  const width = Math.max(0, ...verdicts.map(({ verdict }) => verdict.length));
  const lines = verdicts.map(({ verdict, text, value }) => {
    const sign = (verdict === 'missed' ? 'MISSED' : verdict).padEnd(width);
    const nothing = verdict === 'missed' ? ' (gave no value)' : '';
    return `- ${sign} ${text}${value === undefined ? nothing : ` (is ${value.toFixed(2)})`}`;
  });
  return ['### budgets', '', ...lines].join('\n');
}
