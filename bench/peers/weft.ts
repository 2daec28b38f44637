import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { askHttp } from '../ask.ts';
import { type App, apps } from '../origins/origins.ts';
import { freePort, type Rig, type Started, untilOk } from '../rig.ts';
import type { Contender, Inspect, Path, Shape, Stage } from './peer.ts';

const root = join(import.meta.dirname, '../..');

/** How `bin/weft` starts Node for a sidecar: what is measured is what is shipped. */
export function sidecarLaunch(launcher: string): {
  readonly env: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
} {
  const found = /^\s*sidecar\) exec (?:env ((?:[A-Z_]+=\S+ )+))?"\$node" (.*) "\$main" "\$@" ;;$/m.exec(launcher);
  if (found === null) throw new Error('bin/weft has no line that starts a sidecar');
  const [, variables = '', flags = ''] = found;
  const env = Object.fromEntries(
    variables
      .split(' ')
      .filter(Boolean)
      .map((one) => one.split('=') as [string, string]),
  );
  return { env, flags: flags.split(' ') };
}

interface Role extends Inspect {
  readonly name: string;
  readonly service: string;
  readonly flags: readonly string[];
}

/** Starts the bundled sidecar; `readyMs` is the time until its admin says that it is ready. */
async function startSidecar(rig: Rig, role: Role): Promise<{ started: Started; readyMs: number }> {
  const admin = await freePort();
  const launch = sidecarLaunch(readFileSync(join(root, 'bin/weft'), 'utf8'));
  const flags = [...launch.flags, ...(role.nodeFlags ?? [])];
  const command = [process.execPath, ...flags, join(root, 'dist/weft.js'), 'sidecar', '--service', role.service];
  const started = rig.start(role.name, [...command, '--admin', `127.0.0.1:${admin}`, ...role.flags], 'proxy', {
    env: { ...launch.env, NODE_COMPILE_CACHE: join(rig.folder, 'compile-cache') },
    ...(role.onLine === undefined ? {} : { onLine: role.onLine }),
  });
  return { started, readyMs: await untilOk(started, admin, askHttp('/ready')) };
}

/** The mesh file: service `web` at one endpoint. */
function writeMesh(rig: Rig, app: App, port: number, identity?: string): string {
  const file = join(rig.folder, `mesh-${port}.yaml`);
  const endpoint = `{ address: 127.0.0.1, port: ${port}${identity === undefined ? '' : `, identity: '${identity}'`} }`;
  writeFileSync(
    file,
    `apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ port: 80, protocol: ${apps[app].meshProtocol} }]
  endpoints: [${endpoint}]
`,
  );
  return file;
}

/** Which side of a sidecar takes the load, and whether there is mTLS. */
type Part = 'inbound' | 'outbound' | 'both';

/** What the app speaks, where a sidecar needs to be told. */
const appFlags = (app: App, port: number): readonly string[] => {
  const { meshProtocol } = apps[app];
  return ['--app', `127.0.0.1:${port}`, ...(meshProtocol === 'http' ? [] : ['--app-protocol', meshProtocol])];
};

/** Where the app asks for `web`: at the port for all services, or at one of its own when there is no name to route by. */
async function callerFlags(app: App, port: number): Promise<readonly string[]> {
  if (apps[app].protocol !== 'tcp') return ['--outbound', `127.0.0.1:${port}`];
  return ['--outbound', `127.0.0.1:${await freePort()}`, '--upstream', `web=127.0.0.1:${port}`];
}

async function startWeft(part: Part, app: App, inspect: Inspect, stage: Stage): Promise<Path> {
  const { rig, origins, certificates } = stage;
  const { caller, callee } = certificates;
  const origin = (await origins.of(app)).port;
  const port = await freePort();
  const far = part === 'both' ? await freePort() : port;
  const config = writeMesh(rig, app, part === 'both' ? far : origin, part === 'both' ? callee.spiffeId : undefined);
  const security = (leaf: typeof caller): readonly string[] => {
    if (part !== 'both') return ['--mtls', 'off'];
    return ['--mtls', 'strict', '--cert', leaf.cert, '--key', leaf.key, '--ca', certificates.root];
  };
  const processes: Started[] = [];
  let readyMs = 0;
  if (part !== 'outbound') {
    const listen = ['--inbound', `127.0.0.1:${far}`, '--outbound', `127.0.0.1:${await freePort()}`];
    const flags = [...appFlags(app, origin), ...listen, '--config', config, ...security(callee)];
    const role = { name: part === 'both' ? 'weft (callee)' : 'weft inbound', service: 'web', flags, ...inspect };
    const side = await startSidecar(rig, role);
    processes.push(side.started);
    readyMs = side.readyMs;
  }
  if (part !== 'inbound') {
    const listen = ['--app', `127.0.0.1:${origin}`, '--inbound', `127.0.0.1:${await freePort()}`];
    const flags = [...listen, ...(await callerFlags(app, port)), '--config', config, ...security(caller)];
    const role = { name: part === 'both' ? 'weft (caller)' : 'weft outbound', service: 'shop', flags, ...inspect };
    const side = await startSidecar(rig, role);
    processes.unshift(side.started);
    readyMs = side.readyMs;
  }
  await untilOk(processes[0]!, port, apps[app].ask);
  return { port, processes, readyMs };
}

function weftPart(part: Part, app: App, name: string, inspect: Inspect): Contender {
  return {
    ...{ name, app, ...common },
    start: (stage) => startWeft(part, app, inspect, stage),
    inspected: (more) => {
      const nodeFlags = [...(inspect.nodeFlags ?? []), ...(more.nodeFlags ?? [])];
      return weftPart(part, app, name, { ...inspect, ...more, nodeFlags });
    },
  };
}

/** A JIT counts calls. */
const common = { programs: [], warmUpRequests: 100_000 };

/** The role beside the callee: takes requests from the network, forwards to the app. */
export const weftInbound = ({ app, name = 'weft inbound' }: Shape): Contender => weftPart('inbound', app, name, {});

/** The role beside the caller: routes by name, picks an endpoint, forwards to it. */
export const weftOutbound = ({ app, name = 'weft outbound' }: Shape): Contender => weftPart('outbound', app, name, {});

/** Both roles with mTLS between them: what a request from one service to another crosses. */
export const weft = ({ app, name = 'weft' }: Shape): Contender => weftPart('both', app, name, {});

/** A sidecar that joins a control plane of its own, with a token, as a service's first start does. */
export const weftJoined: Contender = {
  ...{ name: 'weft, control plane', app: 'web', ...common },
  start: async ({ rig, origins }) => {
    const state = mkdtempSync(join(rig.folder, 'state-'));
    const api = `127.0.0.1:${await freePort()}`;
    const grpc = `127.0.0.1:${await freePort()}`;
    const weft = [process.execPath, join(root, 'dist/weft.js')];
    const controlPlane = rig.start(
      'weft control-plane',
      [...weft, 'control-plane', '--api', api, '--grpc', grpc, '--state', join(state, 'control-plane')],
      'load',
    );
    await untilOk(controlPlane, Number(api.split(':')[1]), askHttp('/v1/status'));
    const tokenFile = join(state, 'token');
    const [program, ...args] = [...weft, 'token', 'create', 'web', '--server', `http://${api}`];
    writeFileSync(tokenFile, await rig.run(program!, args, 'load', 30), { mode: 0o600 });
    const port = await freePort();
    const flags = [
      ...[...appFlags('web', (await origins.of('web')).port), '--inbound', `127.0.0.1:${port}`],
      ...['--outbound', `127.0.0.1:${await freePort()}`, '--control-plane', grpc],
      ...['--token-file', tokenFile, '--state', join(state, 'sidecar')],
    ];
    const { started, readyMs } = await startSidecar(rig, { name: 'weft, control plane', service: 'web', flags });
    return { port, processes: [started], helpers: [controlPlane], readyMs };
  },
};
