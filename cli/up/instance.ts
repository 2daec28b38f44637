import { writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { tokenReplySchema } from '../../proto/api/api.ts';
import { exit, Failure } from '../failure.ts';
import { startChild } from './child.ts';
import type { ControlPlane } from './control-plane.ts';
import type { Ground } from './ground.ts';
import { type Addresses, listeningLine } from './listening.ts';
import { freePort } from './ports.ts';

/** A sidecar that runs, and where. */
export interface Sidecar {
  readonly name: string;
  readonly service: string;
  readonly inbound: string;
  readonly outbound: string;
  readonly admin: string;
}

/** Starts the sidecar of one instance. Its ports, once chosen, stay: the process beside it knows them. */
export async function startSidecar(
  ground: Ground,
  controlPlane: ControlPlane,
  of: {
    readonly name: string;
    readonly service: string;
    readonly namespace: string;
    readonly app: string;
  },
): Promise<Sidecar> {
  const name = `${of.name}-sidecar`;
  const folder = ground.folder(join('sidecars', of.name));
  const tokenFile = join(folder, 'join-token');
  const { service, namespace } = of;
  let at: Addresses = {};
  // Used once: after a restart the sidecar has the certificate that it got for it.
  const { token } = await controlPlane.client.post('/v1/tokens', tokenReplySchema, { service, namespace });
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const listening = listeningLine();
  const child = startChild(
    {
      name,
      command: () => [
        ground.weft,
        ...['sidecar', '--service', service, '--namespace', namespace, '--instance', of.name],
        ...['--control-plane', controlPlane.grpc, '--token-file', tokenFile, '--state', folder, '--app', of.app],
        ...['inbound', 'outbound', 'admin'].flatMap((flag) => [`--${flag}`, addressIn(at, flag) ?? '127.0.0.1:0']),
        ...ground.sidecarFlags,
      ],
      env: ground.env,
      logFile: ground.logFile(name),
      onLine: listening.onLine,
    },
    ground.guardian,
    ground.events(name, listening),
  );
  ground.own(child);
  at = await listening.first;
  const [inbound, outbound, admin] = ['inbound', 'outbound', 'admin'].map((flag) => addressIn(at, flag));
  if (inbound === undefined || outbound === undefined || admin === undefined)
    throw new Failure(exit.no, `${name} did not say where it listens`);
  return { name: of.name, service, inbound, outbound, admin };
}

function addressIn(addresses: Addresses, name: string): string | undefined {
  const found = addresses[name];
  return typeof found === 'string' ? found : undefined;
}

/** Starts the sidecar of an instance, then the process itself, whose requests it takes. */
export async function startInstance(
  ground: Ground,
  controlPlane: ControlPlane,
  instance: {
    readonly name: string;
    readonly service: string;
    readonly namespace: string;
    readonly command: readonly [string, ...string[]];
    readonly env: Readonly<Record<string, string>>;
    readonly port: number | undefined;
    readonly folder: string;
  },
): Promise<Sidecar> {
  const { name, service, namespace, command, folder } = instance;
  const port = instance.port ?? (await freePort());
  const sidecar = await startSidecar(ground, controlPlane, { name, service, namespace, app: `127.0.0.1:${port}` });
  const proxy = `http://${sidecar.outbound}`;
  const app = startChild(
    {
      name,
      command: () => command,
      cwd: folder,
      env: {
        ...ground.env,
        // Last, so that it only serves where there is no other node.
        PATH: [ground.env.PATH, dirname(process.execPath)].filter(Boolean).join(delimiter),
        PORT: String(port),
        WEFT_OUTBOUND: sidecar.outbound,
        WEFT_SERVICE: service,
        WEFT_INSTANCE: name,
        // Programs that honour these need not know of the mesh: a request to http://cart/ goes to service cart.
        HTTP_PROXY: proxy,
        http_proxy: proxy,
        NO_PROXY: 'localhost,127.0.0.1,::1',
        no_proxy: 'localhost,127.0.0.1,::1',
        NODE_USE_ENV_PROXY: '1',
        ...instance.env,
      },
      logFile: ground.logFile(name),
    },
    ground.guardian,
    ground.events(name),
  );
  ground.own(app);
  return sidecar;
}
