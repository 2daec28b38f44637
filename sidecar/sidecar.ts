import { type Address, formatAddress } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { InvalidInput } from '../lib/issues.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { version } from '../lib/version.ts';
import { startAdmin } from './admin/admin.ts';
import { type AdminParts, type Answer, answerTo, problem } from './admin/pages.ts';
import { startAppProbe } from './app-health/probe.ts';
import type { SidecarConfig } from './config.ts';
import type { Control } from './control.ts';
import { type DataPlane, startDataPlane } from './data-plane.ts';
import { limitsHere } from './limits/machine.ts';
import { overloadText, REFUSING } from './limits/overload.ts';
import type { Inputs } from './snapshot/inputs.ts';
import { startTelemetry } from './telemetry/start-telemetry.ts';
import { fileCredentials } from './tls/file-credentials.ts';
import type { RunningIdentity } from './tls/identity.ts';

/** Longer than sidecars take to come back to a control plane that has restarted. */
const ENDPOINT_GRACE_MS = 3000;

export interface Sidecar {
  /** Addresses as they were chosen, where port 0 was asked for. */
  readonly inbound: Address;
  readonly outbound: Address;
  readonly admin: Address;
  /** Where it answers DNS, if anywhere. */
  readonly dns: Address | undefined;
  /** Where services of its `upstreams` are, as text, by `namespace/name`. */
  readonly upstreams: Readonly<Record<string, string>>;
  ready(): { readonly ready: boolean; readonly reason: string };
  /** Leaves the registry, then takes no more connections, then waits for what is under way; then closes. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Puts a sidecar together. Everything that it starts is closed by `close`, in reverse order. */
export async function startSidecar(
  config: SidecarConfig,
  parts: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<Sidecar> {
  const { clock, random, log } = parts;
  const owned: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of owned.splice(0).reverse()) await end();
  };
  const own = <T extends { close(): Promise<void> | void }>(part: T): T => {
    owned.push(() => part.close());
    return part;
  };
  try {
    const telemetry = own(
      startTelemetry({
        service: config.serviceKey,
        instance: config.instance,
        version,
        config: {
          accessLog: config.accessLog,
          ...(config.otlp === undefined ? {} : { otlpEndpoint: config.otlp }),
          ...(config.traceSample === undefined ? {} : { traceSample: config.traceSample }),
        },
        clock,
        log,
      }),
    );
    const { source } = config;
    // gRPC is most of what a sidecar weighs; one that lives from a file never loads it.
    const controlModule = source.from === 'control-plane' ? await import('./control.ts') : undefined;
    const identity =
      source.from === 'control-plane' && controlModule !== undefined
        ? own(await controlModule.startControlIdentity(source, { config, ...parts }))
        : undefined;
    const files =
      config.certificates === undefined
        ? undefined
        : own(await fileCredentials({ ...config.certificates, clock, log }));
    const credentials = files?.live ?? identity?.live;
    let control: Control | undefined;
    let pages: AdminParts | undefined;
    const readPage = async (target: string): Promise<Answer> =>
      pages === undefined ? problem(503, 'NOT_READY', 'this sidecar is starting') : answerTo(pages, 'GET', target);
    const resolve = (service: string): Promise<void> | undefined => control?.subscribe(service);
    const traffic = {
      ...config,
      limits: limitsHere(config.limits, config.concurrency),
      // From a file all is known at once; a control plane may still be hearing of the other sidecars itself.
      endpointGraceMs: source.from === 'control-plane' ? ENDPOINT_GRACE_MS : 0,
      credentials,
      resolve,
      names: config.dns !== undefined,
      readPage: source.from === 'control-plane' ? readPage : undefined,
      telemetry,
      clock,
      random,
      log,
    };
    const { concurrency } = config;
    const dataPlane: DataPlane = own(
      concurrency > 1
        ? await (await import('./workers/workers.ts')).startWorkers(traffic, concurrency)
        : await startDataPlane(traffic),
    );
    const dns =
      config.dns === undefined
        ? undefined
        : own(
            await (await import('./names/start.ts')).startSidecarNames(config.dns, {
              config,
              dataPlane,
              resolve,
              clock,
              log,
            }),
          );
    let draining = false;
    const probe = own(startAppProbe(config.app, config.appHealth, clock, () => tellReady()));
    const readyWith = (appProblem: string): { ready: boolean; reason: string } =>
      readiness({
        draining,
        certified: config.mtls === 'off' || credentials?.current !== undefined,
        uncertified: identity?.problem() ?? '',
        dataPlane,
        appProblem,
      });
    const ready = (): { ready: boolean; reason: string } => readyWith(probe.problem());
    const tellReady = (): void => {
      const now = ready();
      control?.setReady(now.ready, now.reason);
    };
    // The control plane is not told of an overload: the load would go to the others, and take them down, too.
    const readyUnderLoad = (): { ready: boolean; reason: string } => {
      const level = telemetry.overloadLevel();
      return ready().ready && level > 0 ? { ready: level < REFUSING, reason: overloadText(level) } : ready();
    };
    owned.push(dataPlane.snapshot.subscribe(tellReady));

    const drain = async (): Promise<void> => {
      if (draining) return;
      draining = true;
      log.info('drain.begins', { withinMs: config.drainTimeMs });
      tellReady();
      await wait(clock, control === undefined ? 0 : config.drainDelayMs);
      await dataPlane.drain(config.drainTimeMs);
      await close();
    };
    pages = {
      ready: readyUnderLoad,
      readyOutbound: () => readyWith(''),
      config: () => dataPlane.dump(),
      metrics: () => telemetry.metricsText(),
      info: () => ({
        version,
        service: config.serviceKey,
        instance: config.instance,
        identity: credentials?.current?.spiffeId ?? '',
        certificateExpires:
          credentials?.current === undefined ? '' : new Date(credentials.current.notAfter).toISOString(),
        inbound: formatAddress(dataPlane.inbound.address),
        outbound: formatAddress(dataPlane.outbound.address),
        controlPlane: control?.status() ?? null,
      }),
      drain: () => void drain(),
    };
    telemetry.gauge('weft_ready', () => (readyUnderLoad().ready ? 1 : 0));
    telemetry.gauge('weft_revision', () => dataPlane.snapshot.current.revision);
    if (source.from === 'control-plane')
      telemetry.gauge('weft_control_plane_connected', () => (control?.status().connected === true ? 1 : 0));
    if (credentials !== undefined)
      telemetry.gauge('weft_certificate_expires_timestamp_seconds', () => (credentials.current?.notAfter ?? 0) / 1000);
    const admin = own(await startAdmin({ ...pages, address: config.admin, log }));
    const { upstreams } = await dataPlane.dump();
    const started = {
      inbound: dataPlane.inbound.address,
      outbound: dataPlane.outbound.address,
      admin: admin.address,
      dns: dns?.address,
      upstreams: Object.fromEntries(upstreams.map(({ service, listen }) => [service, listen])),
    };

    if (source.from === 'control-plane' && identity !== undefined && controlModule !== undefined) {
      const begin = async (running: RunningIdentity): Promise<void> => {
        await running.ready;
        if (draining) return;
        control = own(
          await controlModule.startControl(source, running, dataPlane, () => telemetry.takeEdges(), {
            config,
            ...parts,
            admin: formatAddress(admin.address),
          }),
        );
        tellReady();
      };
      // Without a certificate the sidecar stays up and not ready, so that its admin page can say why.
      begin(identity).catch((error: Error) => {
        // What keeps it from getting one has its line already.
        if (error.name !== 'NoIdentityError') log.error('control.failed', { problem: error.message });
      });
    } else await loadFile(config, dataPlane);
    return { ...started, ready, drain, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function loadFile(config: SidecarConfig, dataPlane: DataPlane): Promise<void> {
  const nothing: Inputs = {
    revision: 0,
    resources: new Map(),
    endpoints: new Map(),
    addresses: new Map(),
    absent: new Set(),
  };
  // Loaded on demand: the schemas cost memory that a sidecar with a control plane does not pay.
  const inputs =
    config.source.from === 'file' ? await (await import('./file-source.ts')).readInputs(config.source.file) : nothing;
  const issues = await dataPlane.accept(inputs);
  if (issues.length > 0) throw new InvalidInput(issues);
}

/** The first thing that is missing, for whoever asks why. */
function readiness(now: {
  readonly draining: boolean;
  readonly certified: boolean;
  /** Why there is no certificate, where that is known. */
  readonly uncertified: string;
  readonly dataPlane: DataPlane;
  /** Why the app cannot take requests; '' while it can. */
  readonly appProblem: string;
}): { ready: boolean; reason: string } {
  const reason = now.draining
    ? 'draining'
    : !now.certified
      ? `no certificate yet, so nothing may pass${now.uncertified && `: ${now.uncertified}`}`
      : !now.dataPlane.snapshot.current.ready
        ? (now.dataPlane.snapshot.current.problem ?? 'no configuration yet')
        : now.appProblem;
  return { ready: reason === '', reason };
}

const wait = (clock: Clock, ms: number): Promise<void> =>
  ms <= 0 ? Promise.resolve() : new Promise((done) => void clock.after(ms, done));
