import { type Collection, parseCollection } from './heap.ts';
import {
  bodiesBothWays,
  constantRate,
  heapPerRequest,
  idle,
  manyConnections,
  octetsBothWays,
  type Round,
  saturated,
  streams,
} from './measure.ts';
import type { Metric, Sample } from './metrics.ts';
import type { App } from './origins/origins.ts';
import { envoy } from './peers/envoy.ts';
import { haproxy } from './peers/haproxy.ts';
import { nghttpx } from './peers/nghttpx.ts';
import { nginx } from './peers/nginx.ts';
import type { Contender } from './peers/peer.ts';
import { weft, weftInbound, weftJoined, weftOutbound } from './peers/weft.ts';

/** One table: who takes part, and what one round of one contender is. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Metric[];
  readonly contenders: readonly Contender[];
  /** Programs beside the contenders' own and those of their apps. */
  readonly programs: readonly string[];
  /** true: a fresh start in each round; otherwise all start first and stay, so that a warm JIT stays warm. */
  readonly restarts: boolean;
  measure(round: Round, contender: Contender): Promise<Sample>;
}

/** The way without any proxy. */
const direct = (app: App): Contender => ({
  ...{ name: 'no proxy', app, programs: [], warmUpRequests: 0 },
  start: async ({ origins }) => ({ port: (await origins.of(app)).port, processes: [], readyMs: 0 }),
});

function heapScenario(): Scenario {
  const collections = new Map<string, Collection[]>();
  const traced = (contender: Contender): Contender => {
    const found: Collection[] = [];
    collections.set(contender.name, found);
    return contender.inspected!({
      nodeFlags: ['--trace-gc-nvp'],
      onLine: (line) => {
        const one = parseCollection(line);
        if (one !== undefined) found.push(one);
      },
    });
  };
  const contenders = [
    weftInbound({ app: 'web' }),
    weftOutbound({ app: 'web' }),
    weftInbound({ app: 'h2', name: 'weft inbound, h2c' }),
    weftOutbound({ app: 'h2', name: 'weft outbound, h2c' }),
    weft({ app: 'web', name: 'weft, two hops' }),
  ];
  return {
    name: 'heap',
    title: 'JS heap allocated per request: one plain HTTP/1.1 hop, one h2c hop, and the two hops of mtls (the greater)',
    columns: ['heapBytes', 'rate', 'cpuUs'],
    contenders: contenders.map(traced),
    programs: ['wrk', 'h2load'],
    restarts: false,
    measure: (round, { name }) => heapPerRequest(round, collections.get(name)!),
  };
}

function bodiesScenario(): Scenario {
  const before = new Map<number, number>();
  return {
    name: 'bodies',
    title: 'Bodies of 1 MiB (16 connections) and 100 MiB (4) over two hops with mTLS, HTTP/1.1 at both ends',
    columns: ['down1m', 'up1m', 'down100m', 'up100m', 'growthMib'],
    contenders: [weft({ app: 'bodies' }), haproxy({ app: 'bodies', between: 'h1' }), envoyH2('bodies')],
    programs: [],
    restarts: false,
    measure: (round) => bodiesBothWays(round, before),
  };
}

/** Envoy as a mesh runs it: its two hops share few connections. */
const envoyH2 = (app: App): Contender => envoy({ app, between: 'h2', name: 'envoy (h2 between)' });

const memoryColumns: readonly Metric[] = ['rssMib', 'anonMib'];
const cpuColumns: readonly Metric[] = ['cpuUs', 'userUs', 'sysUs', 'rate', 'busyPercent'];

export const scenarios: readonly Scenario[] = [
  {
    name: 'plain',
    title: 'One plain HTTP/1.1 hop, wrk with 64 connections, small GET',
    columns: [...cpuColumns, 'p50Ms', 'p99Ms', ...memoryColumns],
    contenders: [
      weftInbound({ app: 'web' }),
      weftOutbound({ app: 'web' }),
      haproxy({ app: 'web' }),
      nginx,
      envoy({ app: 'web' }),
    ],
    programs: ['wrk'],
    restarts: false,
    measure: saturated,
  },
  {
    name: 'mtls',
    title: 'Two hops with mTLS, HTTP/1.1 at both ends, wrk with 64 connections, small GET',
    columns: [...cpuColumns, 'p50Ms', 'p99Ms', ...memoryColumns],
    contenders: [
      weft({ app: 'web' }),
      haproxy({ app: 'web', between: 'h1' }),
      envoy({ app: 'web', between: 'h1' }),
      envoyH2('web'),
    ],
    programs: ['wrk'],
    restarts: false,
    measure: saturated,
  },
  {
    name: 'h2c',
    title: 'One h2c hop, h2load with 8 connections of 16 streams, small GET',
    columns: [...cpuColumns, 'meanMs', 'slowestMs', ...memoryColumns],
    contenders: [
      weftInbound({ app: 'h2' }),
      weftOutbound({ app: 'h2' }),
      haproxy({ app: 'h2' }),
      nghttpx({ app: 'h2' }),
      envoy({ app: 'h2' }),
    ],
    programs: ['h2load'],
    restarts: false,
    measure: saturated,
  },
  {
    name: 'grpc',
    title: 'One hop of unary gRPC calls, h2load with 8 connections of 16 streams, messages of 16 octets',
    columns: [...cpuColumns, 'meanMs', 'slowestMs', ...memoryColumns],
    contenders: [
      weftInbound({ app: 'grpc' }),
      weftOutbound({ app: 'grpc' }),
      haproxy({ app: 'grpc' }),
      nghttpx({ app: 'grpc' }),
      envoy({ app: 'grpc' }),
    ],
    programs: ['h2load'],
    restarts: false,
    measure: saturated,
  },
  {
    name: 'constant',
    title: 'Two hops as in mtls, 1000 requests/s constant, 16 connections, 1 kB (fortio)',
    columns: ['cpuUs', 'userUs', 'sysUs', 'p50Ms', 'p99Ms', 'addedP99Ms', 'jitterP99Ms', 'addedJitterP99Ms', 'rssMib'],
    contenders: [
      direct('web'),
      weft({ app: 'web' }),
      haproxy({ app: 'web', between: 'h1' }),
      envoy({ app: 'web', between: 'h1' }),
      envoyH2('web'),
    ],
    programs: ['wrk', 'fortio'],
    restarts: false,
    measure: constantRate,
  },
  bodiesScenario(),
  {
    name: 'tcp',
    title: 'Octets over two hops with mTLS, 4 connections, one direction after the other',
    columns: ['down', 'up', 'downMbPerS', 'upMbPerS'],
    contenders: [
      weft({ app: 'octets' }),
      haproxy({ app: 'octets', between: 'tcp' }),
      envoy({ app: 'octets', between: 'tcp' }),
    ],
    programs: [],
    restarts: false,
    measure: octetsBothWays,
  },
  {
    name: 'streams',
    title: '5000 streams at once (50 connections of 100) over two hops with mTLS, h2c at both ends, answers after 1 s',
    columns: ['failed', 'mostOpen', 'meanMs', 'slowestMs', 'cpuUs', ...memoryColumns],
    contenders: [
      direct('held'),
      weft({ app: 'held' }),
      haproxy({ app: 'held', between: 'h2' }),
      envoy({ app: 'held', between: 'h2' }),
    ],
    programs: ['h2load'],
    restarts: false,
    measure: streams,
  },
  {
    name: 'connections',
    title: 'One plain hop with 10,000 idle HTTP/1.1 connections, each of which has asked once',
    columns: [...memoryColumns, 'kibPerConnection', 'rate'],
    contenders: [
      weftInbound({ app: 'web' }),
      weftOutbound({ app: 'web' }),
      haproxy({ app: 'web' }),
      envoy({ app: 'web' }),
    ],
    programs: [],
    restarts: true,
    measure: manyConnections,
  },
  {
    name: 'idle',
    title: 'One idle process, ready and with nothing to do',
    columns: [...memoryColumns, 'readyMs'],
    contenders: [weftInbound({ app: 'web' }), weftJoined, haproxy({ app: 'web' }), nginx, envoy({ app: 'web' })],
    programs: [],
    restarts: true,
    measure: idle,
  },
  heapScenario(),
];
