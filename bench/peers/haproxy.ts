import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from '../certificates.ts';
import { freePort, type Rig, untilAnswers } from '../rig.ts';
import { backlog, type Contender, tls } from './peer.ts';

/** One thread, no log, connections to the next hop shared and kept. */
const config = (bind: string, server: string): string => `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
listen hop
  backlog ${backlog}
  bind ${bind}
  server next ${server}
`;

const tlsBind = ({ callee, root }: Certificates): string =>
  ` ssl crt ${callee.both} ca-file ${root} verify required ssl-min-ver TLSv1.3 ciphersuites ${tls.suite} curves ${tls.curve}`;
const tlsServer = ({ caller, root }: Certificates): string =>
  ` ssl crt ${caller.both} ca-file ${root} verify required ssl-min-ver TLSv1.3 ciphersuites ${tls.suite}`;

function startHaproxy(rig: Rig, name: string, port: number, text: string) {
  const file = join(rig.folder, `haproxy-${port}.cfg`);
  writeFileSync(file, text);
  return rig.start(name, ['haproxy', '-db', '-q', '-f', file], 'proxy');
}

export const haproxyPlain: Contender = {
  name: 'haproxy',
  programs: ['haproxy'],
  warmUpRequests: 10_000,
  async start({ rig, backend }) {
    const port = await freePort();
    const started = startHaproxy(rig, 'haproxy', port, config(`127.0.0.1:${port}`, `127.0.0.1:${backend}`));
    return { port, processes: [started], readyMs: await untilAnswers(started, port, '/') };
  },
};

export const haproxyMtls: Contender = {
  name: 'haproxy',
  programs: ['haproxy'],
  warmUpRequests: 10_000,
  async start({ rig, backend, certificates }) {
    const near = await freePort();
    const far = await freePort();
    const farBind = `127.0.0.1:${far}${tlsBind(certificates)}`;
    const processes = [
      startHaproxy(rig, 'haproxy (callee)', far, config(farBind, `127.0.0.1:${backend}`)),
      startHaproxy(
        rig,
        'haproxy (caller)',
        near,
        config(`127.0.0.1:${near}`, `127.0.0.1:${far}${tlsServer(certificates)}`),
      ),
    ];
    return { port: near, processes, readyMs: await untilAnswers(processes[1]!, near, '/') };
  },
};
