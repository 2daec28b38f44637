import { type Exposition, labelText, type MetricRow } from './exposition.ts';

/** What every process of Weft tells of itself. */
export const processMetrics = {
  weft_build_info: {
    type: 'gauge',
    labels: ['version', 'node'],
    help: 'Always 1; the labels say what is running.',
  },
  process_cpu_seconds_total: { type: 'counter', labels: [], help: 'CPU time in user and system mode, in seconds.' },
  process_resident_memory_bytes: { type: 'gauge', labels: [], help: 'Resident memory in octets.' },
  process_start_time_seconds: { type: 'gauge', labels: [], help: 'Start of the process, in seconds since 1970.' },
  nodejs_heap_size_total_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Size of the JavaScript heap of the main thread in octets.',
  },
  nodejs_heap_size_used_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Used part of the JavaScript heap of the main thread in octets.',
  },
  nodejs_external_memory_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Memory of buffers and other objects outside of the JavaScript heap, in octets.',
  },
  nodejs_eventloop_active_seconds_total: {
    type: 'counter',
    labels: [],
    help: 'Time during which the event loop of the main thread was working. Its rate is the utilisation of the thread, 0 to 1.',
  },
  nodejs_eventloop_idle_seconds_total: {
    type: 'counter',
    labels: [],
    help: 'Time during which the event loop of the main thread waited for something to do.',
  },
} as const satisfies Record<string, MetricRow>;

/** Writes all of `processMetrics`, of the process and, where it says so, of the thread that this runs in. */
export function writeProcess(out: Exposition, version: string): void {
  const single = (name: keyof typeof processMetrics, value: number, labels = ''): void => {
    out.metric(name, processMetrics[name]);
    out.sample(name, labels, value);
  };
  const { user, system } = process.cpuUsage();
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  const { active, idle } = performance.eventLoopUtilization();
  single('weft_build_info', 1, labelText({ version, node: process.version }));
  single('process_cpu_seconds_total', (user + system) / 1e6);
  single('process_resident_memory_bytes', rss);
  single('process_start_time_seconds', performance.timeOrigin / 1000);
  single('nodejs_heap_size_total_bytes', heapTotal);
  single('nodejs_heap_size_used_bytes', heapUsed);
  single('nodejs_external_memory_bytes', external);
  single('nodejs_eventloop_active_seconds_total', active / 1000);
  single('nodejs_eventloop_idle_seconds_total', idle / 1000);
}
