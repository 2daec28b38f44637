import { type Column, renderTable } from './table.ts';

interface Row {
  readonly name: string;
  readonly n: number;
  readonly note: string;
}

const columns: readonly Column<Row>[] = [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'COUNT', align: 'right', value: ({ n }) => String(n), style: ({ n }) => (n > 9 ? 'red' : undefined) },
  { title: 'MORE', value: () => 'only when wide', wide: true },
  { title: 'NOTE', value: ({ note }) => note },
];
const rows: readonly Row[] = [
  { name: 'web', n: 3, note: '' },
  { name: 'payments', n: 12, note: 'two instances' },
];

test('columns are aligned under their titles and lines end where their text ends', () => {
  expect(renderTable(columns, rows)).toBe(
    ['NAME      COUNT  NOTE', 'web           3', 'payments     12  two instances', ''].join('\n'),
  );
});

test('wide columns appear only when they are asked for', () => {
  expect(renderTable(columns, rows, { wide: true })).toBe(
    [
      'NAME      COUNT  MORE            NOTE',
      'web           3  only when wide',
      'payments     12  only when wide  two instances',
      '',
    ].join('\n'),
  );
});

test('the widest column is cut to the width of the terminal, and nothing is cut without one', () => {
  const long = [{ name: 'a'.repeat(40), n: 1, note: 'b'.repeat(60) }];
  const cut = renderTable(columns, long, { width: 60 });
  for (const line of cut.trimEnd().split('\n')) expect(line.length).toBeLessThanOrEqual(60);
  expect(cut).toContain('…');
  expect(renderTable(columns, long)).toContain('b'.repeat(60));
});

test('colours do not count for the width of a column', () => {
  const paint = (style: string, text: string) => `<${style}>${text}</>`;
  expect(renderTable(columns, rows, { paint })).toBe(
    [
      '<dim>NAME    </>  <dim>COUNT</>  <dim>NOTE</>',
      'web           3',
      'payments  <red>   12</>  two instances',
      '',
    ].join('\n'),
  );
});

test('control characters from elsewhere cannot move the cursor', () => {
  const evil = renderTable(columns, [{ name: '\u001b[2Jweb\r\n', n: 1, note: '\u009b31m' }]);
  expect(evil).not.toMatch(/[\u001b\r\u009b]/);
});
