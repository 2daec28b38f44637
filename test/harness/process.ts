import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, formatAddress, parseAddress } from '../../lib/address.ts';
import { eventually } from './eventually.ts';
import { type Running, startProgram, weftBin } from './weft.ts';

/** A sidecar in a process of its own that knows the service `web`; plain text on all sides. */
export interface SidecarProcess extends AsyncDisposable {
  readonly running: Running;
  readonly outbound: Address;
  /** What /ready answers. */
  ready(): Promise<{ readonly ready?: boolean; readonly note?: string; readonly detail?: string }>;
  /** Resolves when /ready has nothing to say but that it is. */
  well(): Promise<void>;
  /** The sum of all samples of a metric whose labels have this text. */
  metric(name: string, labels?: string): Promise<number>;
}

/** `web`: where that service is. `before`: shell commands that set limits of the process. `flags`: more of the sidecar's. */
export async function startSidecarProcess(
  web: Address,
  options: { readonly before?: string; readonly env?: NodeJS.ProcessEnv; readonly flags?: string } = {},
): Promise<SidecarProcess> {
  if ('path' in web) throw new Error('a port is needed');
  const folder = mkdtempSync(join(tmpdir(), 'weft-sidecar-'));
  const file = join(folder, 'mesh.yaml');
  writeFileSync(
    file,
    `apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ port: 80, protocol: http }]
  endpoints: [{ address: ${web.host}, port: ${web.port} }]
`,
  );
  const listeners = ['inbound', 'outbound', 'admin'].map((name) => `--${name} 127.0.0.1:0`).join(' ');
  const flags = `--service caller --app ${formatAddress(web)} --config ${file} --mtls off --access-log off ${listeners} ${options.flags ?? ''}`;
  const script = `${options.before ?? 'true'}; exec ${weftBin} sidecar ${flags}`;
  const running = startProgram('sh', ['-c', script], { env: options.env ?? {} });
  const end = async (): Promise<void> => {
    await running.end('SIGKILL');
    rmSync(folder, { recursive: true });
  };
  const listening = running.line((line) =>
    line.startsWith('{"event":"listening"') ? (JSON.parse(line) as Record<string, string>) : undefined,
  );
  const at = await listening.catch(async (error: unknown) => {
    await end();
    throw error;
  });
  const page = (path: string): Promise<Response> =>
    fetch(`http://${at.admin}${path}`, { headers: { connection: 'close' } });
  const ready: SidecarProcess['ready'] = async () => (await page('/ready')).json() as ReturnType<typeof ready>;
  return {
    running,
    outbound: parseAddress(at.outbound!)!,
    ready,
    async well() {
      await eventually('the sidecar is ready and not overloaded', async () =>
        JSON.stringify(await ready()) === '{"ready":true}' ? true : undefined,
      );
    },
    async metric(name, labels = '') {
      const lines = (await (await page('/metrics')).text()).split('\n');
      return lines
        .filter((line) => line.startsWith(name) && line.includes(labels))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    [Symbol.asyncDispose]: end,
  };
}
