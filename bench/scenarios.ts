import { type Collection, parseCollection } from './heap.ts';
import { constantRate, heapPerRequest, idle, saturated } from './measure.ts';
import type { Metric, Sample } from './metrics.ts';
import { envoyMtls, envoyPlain } from './peers/envoy.ts';
import { haproxyMtls, haproxyPlain } from './peers/haproxy.ts';
import { nginxPlain } from './peers/nginx.ts';
import type { Contender, Path } from './peers/peer.ts';
import { type Inspect, weftInbound, weftJoined, weftMtls, weftOutbound } from './peers/weft.ts';
import type { Rig } from './rig.ts';

/** One table: who takes part, and what one round of one contender is. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Metric[];
  readonly contenders: readonly Contender[];
  /** Programs beside the contenders' own. */
  readonly programs: readonly string[];
  /** true: a fresh start in each round; otherwise all start first and stay, so that a warm JIT stays warm. */
  readonly restarts: boolean;
  measure(rig: Rig, path: Path, seconds: number, contender: Contender): Promise<Sample>;
}

/** The way without any proxy. */
const direct: Contender = {
  name: 'no proxy',
  programs: [],
  warmUpRequests: 0,
  start: async ({ backend }) => ({ port: backend, processes: [], readyMs: 0 }),
};

/** A contender whose garbage collections are written down. */
function inspected(make: (inspect: Inspect) => Contender): { contender: Contender; collections: Collection[] } {
  const collections: Collection[] = [];
  const contender = make({
    nodeFlags: ['--trace-gc-nvp'],
    onLine: (line) => {
      const found = parseCollection(line);
      if (found !== undefined) collections.push(found);
    },
  });
  return { contender, collections };
}

function heapScenario(): Scenario {
  const all = [inspected(weftInbound), inspected(weftOutbound)];
  return {
    name: 'heap',
    title: 'JS heap allocated per request, one plain HTTP/1.1 hop',
    columns: ['heapBytes', 'rate', 'cpuUs'],
    contenders: all.map(({ contender }) => contender),
    programs: ['nginx', 'wrk'],
    restarts: false,
    measure: (rig, path, seconds, contender) =>
      heapPerRequest(rig, path, seconds, all.find((one) => one.contender === contender)!.collections),
  };
}

const cpuColumns: readonly Metric[] = ['cpuUs', 'userUs', 'sysUs', 'rate', 'busyPercent', 'p50Ms', 'p99Ms'];

export const scenarios: readonly Scenario[] = [
  {
    name: 'plain',
    title: 'One plain HTTP/1.1 hop, wrk with 64 connections, small GET',
    columns: [...cpuColumns, 'rssMib', 'anonMib'],
    contenders: [weftInbound(), weftOutbound(), haproxyPlain, nginxPlain, envoyPlain],
    programs: ['nginx', 'wrk'],
    restarts: false,
    measure: saturated,
  },
  {
    name: 'mtls',
    title: 'Two hops, mTLS and HTTP/1.1 between them, wrk with 64 connections, small GET',
    columns: [...cpuColumns, 'rssMib', 'anonMib'],
    contenders: [weftMtls(), haproxyMtls, envoyMtls],
    programs: ['nginx', 'wrk'],
    restarts: false,
    measure: saturated,
  },
  {
    name: 'constant',
    title: 'Two hops as above, 1000 requests/s constant, 16 connections, 1 kB (fortio)',
    columns: ['cpuUs', 'userUs', 'sysUs', 'p50Ms', 'p99Ms', 'addedP99Ms', 'rssMib', 'anonMib'],
    contenders: [direct, weftMtls(), haproxyMtls, envoyMtls],
    programs: ['nginx', 'fortio'],
    restarts: false,
    measure: constantRate,
  },
  {
    name: 'idle',
    title: 'One idle process, ready and with nothing to do',
    columns: ['rssMib', 'anonMib', 'readyMs'],
    contenders: [weftInbound(), weftJoined, haproxyPlain, nginxPlain, envoyPlain],
    programs: ['nginx'],
    restarts: true,
    measure: (_rig, path) => idle(path),
  },
  heapScenario(),
];
