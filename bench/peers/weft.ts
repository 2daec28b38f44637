import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Rig, type Started, untilAnswers } from '../rig.ts';
import type { Contender, Path, Stage } from './peer.ts';

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

interface Role {
  readonly name: string;
  readonly service: string;
  readonly flags: readonly string[];
  /** More flags for Node, to look inside. */
  readonly nodeFlags?: readonly string[];
  readonly onLine?: (line: string) => void;
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
  return { started, readyMs: await untilAnswers(started, admin, '/ready') };
}

/** The mesh file: service `web` at one endpoint. */
function writeMesh(rig: Rig, port: number, identity?: string): string {
  const file = join(rig.folder, `mesh-${port}.yaml`);
  const endpoint = `{ address: 127.0.0.1, port: ${port}${identity === undefined ? '' : `, identity: '${identity}'`} }`;
  writeFileSync(
    file,
    `apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ port: 80, protocol: http }]
  endpoints: [${endpoint}]
`,
  );
  return file;
}

/** To look inside: more flags for Node, and where its output goes. */
export type Inspect = Pick<Role, 'nodeFlags' | 'onLine'>;
const common = { programs: [], warmUpRequests: 100_000 };

/** The role beside the callee: takes requests from the network, forwards to the app. */
export const weftInbound = (inspect: Inspect = {}): Contender => ({
  ...common,
  name: 'weft inbound',
  start: async ({ rig, backend }) => {
    const port = await freePort();
    const outbound = await freePort();
    const flags = [
      ...['--app', `127.0.0.1:${backend}`, '--inbound', `127.0.0.1:${port}`],
      ...['--outbound', `127.0.0.1:${outbound}`, '--mtls', 'off', '--config', writeMesh(rig, backend)],
    ];
    const role = { name: 'weft inbound', service: 'web', flags, ...inspect };
    const { started, readyMs } = await startSidecar(rig, role);
    return { port, processes: [started], readyMs };
  },
});

/** The role beside the caller: routes by name, picks an endpoint, forwards to it. */
export const weftOutbound = (inspect: Inspect = {}): Contender => ({
  ...common,
  name: 'weft outbound',
  start: async ({ rig, backend }) => {
    const port = await freePort();
    const flags = [
      ...['--app', `127.0.0.1:${backend}`, '--inbound', `127.0.0.1:${await freePort()}`],
      ...['--outbound', `127.0.0.1:${port}`, '--mtls', 'off', '--config', writeMesh(rig, backend)],
    ];
    const role = { name: 'weft outbound', service: 'shop', flags, ...inspect };
    const { started, readyMs } = await startSidecar(rig, role);
    return { port, processes: [started], readyMs };
  },
});

/** Both roles with mTLS between them: what a request from one service to another crosses. */
export const weftMtls = (inspect: Inspect = {}): Contender => ({
  ...common,
  name: 'weft',
  start: async ({ rig, backend, certificates }: Stage): Promise<Path> => {
    const near = await freePort();
    const far = await freePort();
    const { caller, callee } = certificates;
    const config = writeMesh(rig, far, callee.spiffeId);
    const tls = (leaf: typeof caller): readonly string[] => [
      ...['--config', config, '--mtls', 'strict', '--cert', leaf.cert, '--key', leaf.key, '--ca', certificates.root],
    ];
    const calleeFlags = [
      ...['--app', `127.0.0.1:${backend}`, '--inbound', `127.0.0.1:${far}`],
      ...['--outbound', `127.0.0.1:${await freePort()}`, ...tls(callee)],
    ];
    const callerFlags = [
      ...['--app', `127.0.0.1:${backend}`, '--inbound', `127.0.0.1:${await freePort()}`],
      ...['--outbound', `127.0.0.1:${near}`, ...tls(caller)],
    ];
    const farSide = await startSidecar(rig, {
      ...{ name: 'weft (callee)', service: 'web', flags: calleeFlags, ...inspect },
    });
    const nearSide = await startSidecar(rig, {
      ...{ name: 'weft (caller)', service: 'shop', flags: callerFlags, ...inspect },
    });
    return { port: near, processes: [nearSide.started, farSide.started], readyMs: nearSide.readyMs };
  },
});

/** A sidecar that joins a control plane of its own, with a token, as a service's first start does. */
export const weftJoined: Contender = {
  ...common,
  name: 'weft, control plane',
  start: async ({ rig, backend }) => {
    const state = mkdtempSync(join(rig.folder, 'state-'));
    const api = `127.0.0.1:${await freePort()}`;
    const grpc = `127.0.0.1:${await freePort()}`;
    const weft = [process.execPath, join(root, 'dist/weft.js')];
    const controlPlane = rig.start(
      'weft control-plane',
      [...weft, 'control-plane', '--api', api, '--grpc', grpc, '--state', join(state, 'control-plane')],
      'load',
    );
    await untilAnswers(controlPlane, Number(api.split(':')[1]), '/v1/status');
    const tokenFile = join(state, 'token');
    const [program, ...args] = [...weft, 'token', 'create', 'web', '--server', `http://${api}`];
    writeFileSync(tokenFile, await rig.run(program!, args, 'load'), { mode: 0o600 });
    const port = await freePort();
    const flags = [
      ...['--app', `127.0.0.1:${backend}`, '--inbound', `127.0.0.1:${port}`],
      ...['--outbound', `127.0.0.1:${await freePort()}`, '--control-plane', grpc],
      ...['--token-file', tokenFile, '--state', join(state, 'sidecar')],
    ];
    const { started, readyMs } = await startSidecar(rig, { name: 'weft, control plane', service: 'web', flags });
    return { port, processes: [started], helpers: [controlPlane], readyMs };
  },
};
