import { getHeapStatistics } from 'node:v8';
import { defaultLimits } from './limits.ts';
import { memoryReading } from './readings.ts';

const MB = 1024 * 1024;

test('the heap counts by its old generation, whose size depends on how the process was started', () => {
  const limit = getHeapStatistics().heap_size_limit;
  const small = memoryReading(defaultLimits, ['--max-semi-space-size=2'])();
  const usual = memoryReading(defaultLimits, [])();
  expect(small).toBeGreaterThan(0);
  expect(small).toBeLessThan(1);
  expect(usual / small).toBeCloseTo((limit - 10 * MB) / (limit - 100 * MB), 1);
});

test('memory outside of the heap counts against what the machine or container has', () => {
  const { total_heap_size, external_memory } = getHeapStatistics();
  const read = memoryReading({ ...defaultLimits, memory: 2 * (total_heap_size + external_memory) + 400 * MB });
  const before = read();
  const held = Buffer.alloc(200 * MB, 1);
  const share = (200 * MB) / (2 * (total_heap_size + external_memory) + 400 * MB);
  expect(read() - before).toBeGreaterThan(share * 0.9);
  expect(held.length).toBe(200 * MB);
});
