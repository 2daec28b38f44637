import { connect } from 'node:net';
import { type Check, ok, warning } from './check.ts';

const group = 'this machine';
const ports = [
  [7080, 'the API'],
  [7443, 'sidecars'],
] as const;

/** What can be said without a control plane. */
export function machineChecks(): readonly Check[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const node = `Node ${process.versions.node}`;
  return [
    major > 26 || (major === 26 && minor >= 10)
      ? ok(group, node)
      : warning(
          group,
          `${node} is older than 26.10`,
          "start weft by bin/weft, which finds the right one, or run 'npm ci'",
        ),
  ];
}

/** When the control plane cannot be reached: is there anything on its usual ports? */
export async function portChecks(): Promise<readonly Check[]> {
  return Promise.all(
    ports.map(async ([port, what]) =>
      (await listens(port))
        ? ok(group, `something listens on 127.0.0.1:${port} (usual for ${what})`)
        : warning(
            group,
            `nothing listens on 127.0.0.1:${port} (usual for ${what})`,
            "start a control plane: 'weft up' or 'weft control-plane'",
          ),
    ),
  );
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
