import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLeaf, makeRoot, type TestCert } from '../harness/certs.ts';
import { freePort } from '../harness/free-port.ts';
import { type Running, startProgram } from '../harness/weft.ts';
import type { Door } from './kinds.ts';

/** A process of the rig. It can be ended and started again, at the same addresses. */
export interface Part {
  readonly name: string;
  readonly running: Running;
  /** Of a sidecar: host:port of its admin listener. */
  readonly admin: string;
  /** Of a sidecar that is measured: where its inspector listens. */
  readonly inspector: string;
  /** Ends it, starts it again, and resolves when it is ready. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Two instances of every service, each with its app, and two callers. */
export interface Rig extends AsyncDisposable {
  /** The sidecars that are never restarted. */
  readonly measured: readonly Part[];
  /** What is restarted, in turn: apps of both instances, and every sidecar that is not measured. */
  readonly restarted: readonly Part[];
  /** Through a sidecar that stays, and through one that does not. */
  readonly doors: { readonly stays: Door; readonly restarted: Door };
}

/** What sidecars that are told to end give to what is under way. */
export const DRAIN_MS = 3000;

const root = join(import.meta.dirname, '..', '..');
const services = ['web', 'grpc', 'tcp'] as const;
type Service = (typeof services)[number];
const protocols = { web: 'http', grpc: 'grpc', tcp: 'tcp' } as const;
const instances = [1, 2];
const host = '127.0.0.1';

const idOf = (service: string): string => `spiffe://weft.test/ns/default/sa/${service}`;

async function ports<K extends string>(names: readonly K[]): Promise<Record<K, number>> {
  const found = new Map<number, K>();
  // One after the other, all distinct: each is bound only later.
  for (const name of names) {
    let port = await freePort();
    while (found.has(port)) port = await freePort();
    found.set(port, name);
  }
  return Object.fromEntries([...found].map(([port, name]) => [name, port])) as Record<K, number>;
}

/** Services with their endpoints, and policies that let every restart be survived by those who are not part of it. */
function configOf(at: Readonly<Record<string, number>>): string {
  const serviceOf = (service: Service): string => `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${service} }
spec:
  ports: [{ port: 80, protocol: ${protocols[service]} }]
  endpoints: ${JSON.stringify(instances.map((n) => ({ address: host, port: at[`${service}-${n}`], identity: idOf(service) })))}
`;
  const policies = `
apiVersion: weft.dev/v1
kind: RetryPolicy
metadata: { name: soak }
spec:
  targetRefs: [{ kind: Mesh }]
  retries: 6
  on: [connect-failure, refused, reset, 502, 503]
  backoff: { base: 50ms, max: 1s }
  budget: { percent: 100, minPerSecond: 1000 }
  bufferBytes: 2097152
---
apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: soak }
spec: { targetRefs: [{ kind: Mesh }], request: 15s, connect: 5s }
`;
  return [...services.map(serviceOf), policies].join('---');
}

export async function startRig(): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-soak-'));
  const parts: Part[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(parts.map(({ running }) => running.end('SIGKILL')));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return await startIn(folder, parts, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function startIn(folder: string, parts: Part[], close: () => Promise<void>): Promise<Rig> {
  const sidecars = services.flatMap((service) => instances.map((n) => `${service}-${n}`));
  const at = await ports([
    ...sidecars.flatMap((name) => [name, `${name} app`, `${name} admin`]),
    ...['steady', 'changing'].flatMap((name) => [name, `${name} tcp`, `${name} admin`]),
  ]);
  const config = join(folder, 'mesh.yaml');
  writeFileSync(config, configOf(at));
  const ca = await makeRoot();
  const rootFile = join(folder, 'root.pem');
  writeFileSync(rootFile, ca.pem);
  const filesOf = (name: string, leaf: TestCert): readonly string[] => {
    const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
    writeFileSync(cert, leaf.chainPem);
    writeFileSync(key, leaf.keyPem, { mode: 0o600 });
    return ['--cert', cert, '--key', key, '--ca', rootFile];
  };

  const start = async (make: () => Promise<Part>): Promise<Part> => {
    const part = await make();
    parts.push(part);
    return part;
  };
  const app = (n: number): Promise<Part> =>
    start(() => {
      const listen = services.map((service) => String(at[`${service}-${n} app`]));
      return startPart(`app ${n}`, [join(root, 'test/soak/app.js'), ...listen], /^listening$/);
    });
  const sidecar = async (name: string, service: string, measured: boolean, flags: readonly string[]): Promise<Part> => {
    const files = filesOf(name, await makeLeaf(ca, { uris: [idOf(service)] }));
    const admin = `${host}:${at[`${name} admin`]}`;
    const args = [
      // As bin/weft starts it, but for the inspector.
      ...[
        '--disable-warning=DEP0060',
        '--disable-warning=ExperimentalWarning',
        '--max-semi-space-size=2',
        '--v8-pool-size=1',
      ],
      ...(measured ? [`--inspect=${host}:0`] : []),
      ...[join(root, 'cli/main.ts'), 'sidecar', '--service', service, '--config', config, '--admin', admin, ...files],
      ...[
        '--mtls',
        'strict',
        '--access-log',
        'off',
        '--log-level',
        'warn',
        '--drain-delay',
        '50ms',
        '--drain-time',
        `${DRAIN_MS}ms`,
      ],
      // On a machine that is busy with other things a sidecar would rightly refuse some of it.
      ...['--overload-delay', 'off'],
      ...flags,
    ];
    return start(() => startPart(name, args, /"event":"listening"/, admin));
  };
  const calleeOf = (service: Service, n: number): Promise<Part> => {
    const name = `${service}-${n}`;
    const flags = [
      '--app',
      `${host}:${at[`${name} app`]}`,
      '--inbound',
      `${host}:${at[name]}`,
      '--outbound',
      `${host}:0`,
    ];
    return sidecar(name, service, n === 1, flags);
  };
  const callerOf = (name: string): Promise<Part> => {
    const tcp = ['--upstream', `tcp=${host}:${at[`${name} tcp`]}`];
    const flags = ['--app', `${host}:1`, '--inbound', `${host}:0`, '--outbound', `${host}:${at[name]}`, ...tcp];
    return sidecar(name, 'caller', name === 'steady', flags);
  };

  const apps = await Promise.all(instances.map(app));
  const [first, second] = await Promise.all(
    instances.map((n) => Promise.all(services.map((service) => calleeOf(service, n)))),
  );
  const [steady, changing] = await Promise.all([callerOf('steady'), callerOf('changing')]);
  const door = (name: string): Door => ({ host, port: at[name]!, tcpPort: at[`${name} tcp`]! });
  return {
    measured: [steady!, ...first!],
    restarted: [apps[1]!, ...second!, changing!, apps[0]!],
    doors: { stays: door('steady'), restarted: door('changing') },
    [Symbol.asyncDispose]: close,
  };
}

async function startPart(name: string, args: readonly string[], ready: RegExp, admin = ''): Promise<Part> {
  const begin = (): Running => startProgram(process.execPath, args, { env: { MALLOC_ARENA_MAX: '1' } });
  const listening = (running: Running): Promise<true> => running.line((line) => (ready.test(line) ? true : undefined));
  let running = begin();
  await listening(running);
  const inspector = /Debugger listening on (ws:\S+)/.exec(running.output())?.[1] ?? '';
  return {
    name,
    admin,
    inspector,
    get running() {
      return running;
    },
    async restart(signal) {
      await running.end(signal);
      running = begin();
      await listening(running);
    },
  };
}
