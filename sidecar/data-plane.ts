import type { Address } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { InvalidInput, type Issue } from '../lib/issues.ts';
import { Live } from '../lib/live.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { loadFilters } from '../policies/load.ts';
import { adminOverMesh, type ReadPage } from './admin/over-mesh.ts';
import type { ListenerContext } from './http/context.ts';
import { Files } from './limits/files.ts';
import type { Limits } from './limits/limits.ts';
import { startOverload } from './limits/overload.ts';
import { memoryReading, type Readings } from './limits/readings.ts';
import { shedHeaviest } from './limits/shed.ts';
import { type Listener, listenedElsewhere, startListener } from './listen/listener.ts';
import { isAnsweredByApp, leaveToApp, namePlaces } from './names/places.ts';
import type { Reachable } from './names/reachable.ts';
import { Loop } from './net/loop.ts';
import { Compiler } from './snapshot/compile.ts';
import { Destinations } from './snapshot/destinations.ts';
import { dumpSnapshot, type SnapshotDump } from './snapshot/dump.ts';
import type { InForce } from './snapshot/in-force.ts';
import type { Inputs } from './snapshot/inputs.ts';
import { serviceNames } from './snapshot/route-table.ts';
import { emptySnapshot, type Snapshot } from './snapshot/snapshot.ts';
import { connectionFilter } from './tcp/filter.ts';
import type { AppProtocol } from './tcp/inbound.ts';
import type { TcpServer } from './tcp/server.ts';
import { tcpServers } from './tcp/servers.ts';
import { type UpstreamSpec, Upstreams } from './tcp/upstreams.ts';
import { peerEdges } from './telemetry/peer-edges.ts';
import type { Telemetry } from './telemetry/telemetry.ts';
import type { LiveCredentials } from './tls/credentials.ts';
import { appDestination, appRule, appSpec } from './upstream/app.ts';
import { connector } from './upstream/connect.ts';
import { httpEndpoint, MESH_PROTOCOLS } from './upstream/protocols.ts';

export interface DataPlaneOptions {
  readonly namespace: string;
  /** `namespace/name`. */
  readonly serviceKey: string;
  readonly app: Address;
  readonly inbound: Address;
  readonly outbound: Address;
  readonly mtls: 'off' | 'permissive' | 'strict';
  /** Without them endpoints that have an identity cannot be reached, and only plain text can come in. */
  readonly credentials: LiveCredentials | undefined;
  /** What the service beside us speaks; auto: as its resource says, else HTTP/1.1, and HTTP/2 for gRPC. */
  readonly appProtocol?: AppProtocol;
  readonly appTimeoutMs: number;
  readonly maxRequestBody: number;
  readonly limits: Limits;
  /** Local addresses that lead to one service each. */
  readonly upstreams?: readonly UpstreamSpec[];
  /** Services are listened for at their own addresses and ports, where names lead. */
  readonly names?: boolean;
  /** Services, as `namespace/name`, that may open TCP connections to the app; undefined: every one of the mesh. */
  readonly tcpAllow?: readonly string[] | undefined;
  /** Protocols (lower case) that callers may go over to. */
  readonly upgrades: ReadonlySet<string>;
  /** How long requests to a service that was just heard of wait for its first endpoint, in ms. */
  readonly endpointGraceMs: number;
  /** Asks for a service that the snapshot does not have. */
  readonly resolve: (service: string) => Promise<void> | undefined;
  /** In force before the listeners open. Throws InvalidInput when they cannot be compiled. */
  readonly inputs?: Inputs;
  /**
   * One of several threads with the same addresses: ports are shared; a unix-domain socket cannot be, so that it is the
   * first one's alone.
   */
  readonly sharing?: { readonly first: boolean };
  /** Lets the control plane read the admin pages over the inbound listener. */
  readonly readPage?: ReadPage | undefined;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Listeners, routes and connections: all that a request passes. */
export interface DataPlane {
  readonly inbound: Pick<Listener, 'address' | 'connections'>;
  readonly outbound: Pick<Listener, 'address' | 'connections'>;
  /** Told when all that it asks for is listened at, or has been tried. */
  readonly snapshot: Pick<Live<InForce>, 'current' | 'subscribe'>;
  /** Services that are listened for at their own addresses. */
  readonly names: Pick<Reachable, 'has'>;
  /** What is in force, for people; has no secrets in it. */
  dump(): Promise<SnapshotDump>;
  /** Compiles inputs and puts them in force, or gives the reasons why not. One at a time. */
  accept(inputs: Inputs): Promise<readonly Issue[]>;
  /** No new connections, none is used again; resolves when all are gone or the time is up. */
  drain(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

/** One of this thread. */
export interface LocalDataPlane extends DataPlane {
  readonly names: Reachable;
}

/** `readings`: how the thread is doing; by its heap and its loop, unless told otherwise. */
export async function startDataPlane(options: DataPlaneOptions, readings?: Readings): Promise<LocalDataPlane> {
  const { telemetry, clock, random, log, credentials, readPage } = options;
  // Never plain text instead, whoever puts the parts together.
  if (options.mtls !== 'off' && credentials === undefined)
    throw new Error(`mtls ${options.mtls} needs credentials to listen with`);
  const loop = new Loop(clock);
  const files = new Files(options.limits);
  const connect = connector(credentials, telemetry.connections('outbound', 'upstream'), files, MESH_PROTOCOLS);
  const destinations = new Destinations(
    (spec) => httpEndpoint(spec, connect, loop, options.limits),
    clock,
    options.endpointGraceMs,
  );
  // What is sent from now on goes over connections that were opened with the new certificate.
  const unsubscribe = credentials?.subscribe(() => loop.turn(() => destinations.renew()));
  const app = httpEndpoint(
    appSpec(options.app),
    connector(undefined, telemetry.connections('inbound', 'upstream'), files, []),
    loop,
    options.limits,
  );
  const toApp = appDestination(app, options.serviceKey);
  const rule = appRule(toApp, options);
  const compiler = new Compiler({
    service: options.serviceKey,
    filters: await loadFilters(),
    destinations,
    edge: (peer) => telemetry.edge('outbound', peer),
    app: rule,
    clock,
    random,
  });
  const snapshot = new Live<Snapshot>({ ...emptySnapshot, app: rule });
  /** The same for others, who are told of what they can reach. */
  const inForce = new Live<InForce>(snapshot.current);
  const serviceOf = serviceNames(options.namespace);
  let draining = false;
  const { appProtocol: told = 'auto' } = options;
  const appProtocol = (): AppProtocol =>
    told === 'auto' ? (snapshot.current.services.get(options.serviceKey)?.protocol ?? 'auto') : told;
  const heedApp = (): void => {
    toApp.http2 = ['http2', 'grpc'].includes(appProtocol());
  };
  heedApp();

  const upstreams = new Upstreams(
    async ({ service, address, named }) => {
      if (named) await leaveToApp(options.app, address, clock);
      const of = { ...context('outbound'), serviceOf: () => service };
      return listen('outbound', address, of, tcp.outbound(service, of)).catch((thrown: unknown) => {
        if (!named || service !== options.serviceKey || !isAnsweredByApp(thrown, options.app, address)) throw thrown;
        return listenedElsewhere(address);
      });
    },
    clock,
    log,
  );
  const listenAll = ({ current }: Live<Snapshot>): void =>
    upstreams.update(options.names ? [...current.upstreams, ...namePlaces(current)] : current.upstreams);

  let turn: Promise<unknown> = Promise.resolve();
  const accept = (inputs: Inputs): Promise<readonly Issue[]> => {
    const done = turn.then(async () => {
      const compiled = await compiler.compile(inputs);
      if ('issues' in compiled) return compiled.issues;
      snapshot.set(compiled.snapshot);
      heedApp();
      await upstreams.settled();
      inForce.set(compiled.snapshot);
      return [];
    });
    turn = done.catch(() => undefined);
    return done;
  };
  if (options.inputs !== undefined) {
    const issues = await accept(options.inputs);
    if (issues.length > 0) throw new InvalidInput(issues);
  }

  const listeners: Omit<Listener, 'address' | 'connections'>[] = [];
  const memory = memoryReading(options.limits);
  const overload = startOverload({
    limits: options.limits,
    loop,
    read: readings ?? (() => ({ memory: memory(), lateMs: loop.takeLateMs() })),
    // There when the process was started with --expose-gc, as bin/weft does.
    collect: globalThis.gc,
    relief: {
      closeIdle: () =>
        loop.turn(() => {
          for (const listener of listeners) listener.closeIdle();
        }),
      shed() {
        let count = 0;
        loop.turn(() => {
          count = shedHeaviest((visit) => {
            for (const listener of listeners) listener.exchanges(visit);
          });
        });
        return count;
      },
    },
    stats: telemetry.overload,
    clock,
    log,
  });
  const context = (direction: 'inbound' | 'outbound'): ListenerContext => ({
    direction,
    loop,
    tracer: telemetry.tracer,
    snapshot: () => snapshot.current,
    resolve: options.resolve,
    service: options.serviceKey,
    serviceOf,
    edgeOf: peerEdges(direction, telemetry),
    spiffeId: () => credentials?.current?.spiffeId ?? '',
    maxBody: options.maxRequestBody,
    upgrades: options.upgrades,
    limits: options.limits,
    overload,
    random,
    draining: () => draining,
  });
  const filter = connectionFilter(options.mtls === 'strict', options.tcpAllow);
  const tcp = tcpServers({ app: toApp, appProtocol, filter, credentials, files, telemetry });
  const listen = async (
    direction: 'inbound' | 'outbound',
    address: Address,
    of: ListenerContext,
    octets?: TcpServer,
  ): Promise<Listener> => {
    if ('path' in address && options.sharing?.first === false) return listenedElsewhere(address);
    return startListener({
      address,
      context: of,
      stats: telemetry.connections(direction, 'downstream'),
      credentials: direction === 'inbound' && options.mtls !== 'off' ? credentials : undefined,
      plainToo: options.mtls === 'permissive',
      sharedPort: options.sharing !== undefined,
      plainHttp2: direction === 'outbound' || told !== 'http',
      ...(octets === undefined ? {} : { tcp: octets }),
      ...(direction === 'outbound' || readPage === undefined ? {} : { admin: adminOverMesh(readPage, log) }),
      files,
      log,
    });
  };
  const listenInbound = (): Promise<Listener> => {
    const of = context('inbound');
    return listen('inbound', options.inbound, of, tcp.inbound(of));
  };
  const abandon = async (error: unknown): Promise<never> => {
    overload.close();
    for (const listener of listeners) await listener.close();
    throw error;
  };
  const inbound = await listenInbound().catch(abandon);
  listeners.push(inbound);
  const outbound = await listen('outbound', options.outbound, context('outbound')).catch(abandon);
  listeners.push(outbound);
  listeners.push(upstreams);
  for (const upstream of options.upstreams ?? []) await upstreams.open(upstream).catch(abandon);
  listenAll(snapshot);
  snapshot.subscribe(() => listenAll(snapshot));
  await upstreams.settled();

  return {
    inbound,
    outbound,
    snapshot: inForce,
    names: upstreams.names,
    dump: () => Promise.resolve(dumpSnapshot(snapshot.current, upstreams.dump())),
    accept,
    async drain(deadlineMs) {
      draining = true;
      for (const listener of listeners) listener.drain();
      const gone = Promise.all(listeners.map((listener) => listener.empty()));
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const cancel = clock.after(deadlineMs, resolve);
      await Promise.race([gone, late]);
      cancel();
    },
    async close() {
      overload.close();
      await Promise.all(listeners.map((listener) => listener.close()));
      unsubscribe?.();
      destinations.close();
      app.destroy();
      loop.close();
    },
  };
}
