import { type ServerReadableStream, status } from '@grpc/grpc-js';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { quantileUs } from '../../lib/latency.ts';
import type { Log } from '../../lib/log.ts';
import { formatSpiffe, type Identity } from '../../lib/spiffe.ts';
import { serviceKey } from '../../policies/resource.ts';
import type { ApiEdge } from '../../proto/api/api.ts';
import type { EdgeReport__Output } from '../../proto/gen/weft/v1/EdgeReport.ts';
import type { ReportSummary } from '../../proto/gen/weft/v1/ReportSummary.ts';
import type { TelemetryDefinition, TelemetryHandlers } from '../../proto/gen/weft/v1/Telemetry.ts';
import { weftProto } from '../../proto/load.ts';
import { parseReport, type ReportedEdge } from './report.ts';
import { SlidingWindow } from './window.ts';

type ReportCall = ServerReadableStream<EdgeReport__Output, ReportSummary>;

export interface TelemetryOptions {
  /** Who is calling, by its verified certificate; throws when there is none. */
  readonly identify: (call: ReportCall) => Identity;
  readonly clock: Clock;
  readonly log: Log;
  /** Over which `edges` counts; whole seconds in ms. */
  readonly windowMs?: number;
  readonly maxEdges?: number;
}

export interface TelemetryService {
  readonly definition: TelemetryDefinition;
  readonly handlers: TelemetryHandlers;
  /** Traffic between services as it is now, by source and destination. */
  edges(): ApiEdge[];
}

/** What one end of an edge has told. */
class Side {
  readonly window: SlidingWindow;
  /** SPIFFE ID of the other end, as this end verified it. */
  identity = '';
  totalRequests = 0;
  totalFailures = 0;

  constructor(windowMs: number) {
    this.window = new SlidingWindow(windowMs);
  }
}

/** Traffic from one service to another, as both ends see it. */
class Edge {
  readonly source: string;
  readonly destination: string;
  /** Told by the caller's sidecar, which also sees the requests that never arrive. */
  readonly outbound: Side;
  readonly inbound: Side;
  firstMs: number;

  constructor(source: string, destination: string, windowMs: number, now: number) {
    this.source = source;
    this.destination = destination;
    this.outbound = new Side(windowMs);
    this.inbound = new Side(windowMs);
    this.firstMs = now;
  }
}

/** Takes the reports of the sidecars and sums them up by edge. */
export function telemetryService(options: TelemetryOptions): TelemetryService {
  const { identify, clock, log, windowMs = 10_000, maxEdges = 10_000 } = options;
  /** By source and destination; the one that was reported last stands last. */
  const edges = new Map<string, Edge>();

  const take = (service: string, { direction, peer, peerIdentity, counts }: ReportedEdge, coveredMs: number): void => {
    const outbound = direction === 'OUTBOUND';
    const [source, destination] = outbound ? [service, peer] : [peer, service];
    const key = `${source} ${destination}`;
    const now = clock.now();
    const edge = edges.get(key) ?? new Edge(source, destination, windowMs, now - coveredMs);
    edges.delete(key);
    edges.set(key, edge);
    const side = outbound ? edge.outbound : edge.inbound;
    // A report that covers more was held up while we were away: it is part of the totals, not of what happens now.
    if (coveredMs <= windowMs) side.window.add(now, counts);
    if (peerIdentity !== '') side.identity = peerIdentity;
    side.totalRequests += counts.requests;
    side.totalFailures += counts.failures;
    // The edge that has been quiet for longest makes room.
    if (edges.size > maxEdges) edges.delete(edges.keys().next().value!);
  };

  const handlers: TelemetryHandlers = {
    Report(call, callback) {
      let service: string;
      let reports = 0;
      let refused = false;
      const refuse = (code: status, details: string): void => {
        refused = true;
        callback({ code, details });
      };
      try {
        const identity = identify(call);
        service = serviceKey(identity.namespace, identity.service);
        log.debug('telemetry.connected', { sidecar: formatSpiffe(identity) });
      } catch (thrown) {
        log.warn('telemetry.peer_refused', { peer: call.getPeer(), problem: messageOf(thrown) });
        return refuse(status.UNAUTHENTICATED, 'a certificate of this mesh is needed');
      }
      call.on('data', (report: EdgeReport__Output) => {
        if (refused) return;
        try {
          for (const edge of parseReport(report)) take(service, edge, report.windowMs);
          reports++;
        } catch (thrown) {
          log.warn('telemetry.report_refused', { service, problem: messageOf(thrown) });
          refuse(status.INVALID_ARGUMENT, messageOf(thrown));
        }
      });
      call.on('end', () => {
        if (!refused) callback(null, { reports });
      });
      call.on('error', (error) => log.debug('telemetry.broken', { service, problem: messageOf(error) }));
    },
  };

  return {
    definition: weftProto().Telemetry.service,
    handlers,
    edges: () =>
      [...edges.values()]
        .map((edge) => describeEdge(edge, clock.now(), windowMs))
        .sort((a, b) => (`${a.source} ${a.destination}` < `${b.source} ${b.destination}` ? -1 : 1)),
  };
}

function describeEdge(edge: Edge, now: number, windowMs: number): ApiEdge {
  const { source, destination, outbound, inbound } = edge;
  // Only a caller outside the mesh leaves the counting to the callee: both together would count each request twice.
  const counting = outbound.totalRequests > 0 ? outbound : inbound;
  const { requests, failures, retries, latency } = counting.window.sum(now);
  return {
    source,
    destination,
    sourceIdentity: inbound.identity,
    destinationIdentity: outbound.identity,
    windowMs,
    requests,
    failures,
    retries,
    requestsPerSecond: (requests * 1000) / counting.window.coveredMs(now, edge.firstMs),
    p50Ms: quantileUs(latency, 0.5) / 1000,
    p99Ms: quantileUs(latency, 0.99) / 1000,
    totalRequests: counting.totalRequests,
    totalFailures: counting.totalFailures,
  };
}
