import { eventually } from '../harness/eventually.ts';
import { type Jaeger, type JaegerSpan, startJaeger } from '../harness/jaeger.ts';
import { type Shop, startShop } from '../harness/shop.ts';
import { findTool } from '../harness/tools.ts';

const program = findTool('jaeger-all-in-one');
const withJaeger = program === undefined ? test.skip : test;

let jaeger: Jaeger;
let shop: Shop;
beforeAll(async () => {
  if (program === undefined) return;
  jaeger = await startJaeger(program);
  shop = await startShop({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlp } });
}, 60_000);
afterAll(async () => {
  await shop?.close();
  await jaeger?.close();
}, 30_000);

interface Trace {
  readonly traceID: string;
  readonly spans: readonly JaegerSpan[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

const traces = async (service: string): Promise<readonly Trace[]> => {
  const answer = await fetch(`${jaeger.query}/api/traces?service=${encodeURIComponent(service)}&limit=100`);
  return ((await answer.json()) as { data: readonly Trace[] }).data;
};
const kindOf = ({ tags }: JaegerSpan): unknown => tags.find(({ key }) => key === 'span.kind')?.value;

withJaeger('npm start with an OTLP endpoint gives whole traces, each span under its caller', async () => {
  const trace = await eventually('a trace with the spans of all sidecars', async () =>
    (await traces('visitor')).find(({ spans }) => spans.length === 6),
  );
  const { spans, processes } = trace;
  expect(new Set(spans.map(({ traceID }) => traceID)).size).toBe(1);
  const label = (span: JaegerSpan) => `${processes[span.processID]?.serviceName} ${kindOf(span)}`;
  const chain: string[] = [];
  const childOf = (parent: string | undefined) =>
    spans.find(({ references }) => references.find(({ refType }) => refType === 'CHILD_OF')?.spanID === parent);
  for (let span = childOf(undefined); span !== undefined; span = childOf(span.spanID)) chain.push(label(span));
  expect(chain).toEqual([
    'visitor client',
    'web server',
    'web client',
    'cart server',
    'cart client',
    'payments server',
  ]);
});

withJaeger('the control plane traces its own work', async () => {
  const operations = await eventually('spans of apply, push and sign', async () => {
    const names = (await traces('weft-control-plane')).flatMap(({ spans }) => spans.map((one) => one.operationName));
    return ['apply', 'push', 'sign'].every((part) => names.some((name) => name.includes(part))) ? names : undefined;
  });
  expect(operations.length).toBeGreaterThan(10);
});
