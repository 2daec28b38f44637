import { context, propagation, trace } from '@opentelemetry/api';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { startJaeger } from '../../test/harness/jaeger.ts';
import { findTool } from '../../test/harness/tools.ts';
import { inSpan, startTracing } from './tracing.ts';

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

test('without tracing the work is done, and what it throws is thrown', async () => {
  expect(await inSpan('work', {}, async () => 7)).toBe(7);
  await expect(inSpan('work', {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
});

const program = findTool('jaeger-all-in-one');
(program === undefined ? test.skip : test)('spans and their children come to a real Jaeger', async () => {
  const jaeger = await startJaeger(program!);
  const tracing = await startTracing({ endpoint: jaeger.otlp, version: '1.2.3', clock: systemClock, log: silentLog });
  let traceId = '';
  await inSpan('admit.apply', { 'weft.resources': 2 }, async () => {
    traceId = trace.getActiveSpan()!.spanContext().traceId;
    await inSpan('ca.sign', {}, () => Promise.reject(new Error('no key'))).catch(() => undefined);
  });
  await tracing.close();
  const { spans, processes } = await jaeger.trace(traceId, 2);
  const [apply, sign] = ['admit.apply', 'ca.sign'].map((name) => spans.find((span) => span.operationName === name)!);
  expect(processes[apply!.processID]!.serviceName).toBe('weft-control-plane');
  expect(apply!.tags).toContainEqual(expect.objectContaining({ key: 'weft.resources', value: 2 }));
  expect(sign!.references).toMatchObject([{ spanID: apply!.spanID }]);
  expect(sign!.tags).toContainEqual(expect.objectContaining({ key: 'error', value: true }));
  await jaeger.close();
});

test('a collector that is not there disturbs nobody, and closing does not wait for it', async () => {
  const tracing = await startTracing({
    endpoint: 'http://127.0.0.1:1',
    version: '1.2.3',
    clock: systemClock,
    log: silentLog,
  });
  expect(await inSpan('work', {}, async () => 7)).toBe(7);
  const started = performance.now();
  await tracing.close();
  expect(performance.now() - started).toBeLessThan(5000);
});
