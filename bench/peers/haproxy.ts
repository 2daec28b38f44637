import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from '../certificates.ts';
import { apps, type Protocol } from '../origins/origins.ts';
import { freePort, type Rig, untilOk } from '../rig.ts';
import { backlog, type Contender, compiledWarmUp, mostConnections, type Shape, tls } from './peer.ts';

/** One thread, no log, connections to the next hop shared and kept. It wants two files for each connection, but needs one. */
const config = (protocol: Protocol, bind: string, server: string): string => `
global
  nbthread 1
  maxconn ${mostConnections}
  no strict-limits
defaults
  mode ${protocol === 'tcp' ? 'tcp' : 'http'}
  maxconn ${mostConnections}
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  ${protocol === 'tcp' ? '' : 'http-reuse always'}
listen hop
  backlog ${backlog}
  bind ${bind}
  server next ${server}
`;

const plain = (protocol: Protocol): string => (protocol === 'h2' ? ' proto h2' : '');
const alpn = (protocol: Protocol): string => (protocol === 'h2' ? ' alpn h2' : '');
const tlsBind = ({ callee, root }: Certificates): string =>
  ` ssl crt ${callee.both} ca-file ${root} verify required ssl-min-ver TLSv1.3 ciphersuites ${tls.suite} curves ${tls.curve}`;
const tlsServer = ({ caller, root }: Certificates): string =>
  ` ssl crt ${caller.both} ca-file ${root} verify required ssl-min-ver TLSv1.3 ciphersuites ${tls.suite}`;

function startHaproxy(rig: Rig, name: string, port: number, text: string) {
  const file = join(rig.folder, `haproxy-${port}.cfg`);
  writeFileSync(file, text);
  return rig.start(name, ['haproxy', '-db', '-q', '-f', file], 'proxy');
}

export const haproxy = ({ app, between, name = 'haproxy' }: Shape): Contender => ({
  name,
  app,
  programs: ['haproxy'],
  warmUpRequests: compiledWarmUp,
  async start({ rig, origins, certificates }) {
    const { protocol, ask } = apps[app];
    const near = `127.0.0.1:${await freePort()}`;
    const port = Number(near.split(':')[1]);
    const origin = `127.0.0.1:${(await origins.of(app)).port}${plain(protocol)}`;
    if (between === undefined) {
      const started = startHaproxy(rig, 'haproxy', port, config(protocol, near + plain(protocol), origin));
      return { port, processes: [started], readyMs: await untilOk(started, port, ask) };
    }
    const far = await freePort();
    const farBind = `127.0.0.1:${far}${tlsBind(certificates)}${alpn(between)}`;
    const farServer = `127.0.0.1:${far}${tlsServer(certificates)}${alpn(between)}`;
    const processes = [
      startHaproxy(rig, 'haproxy (callee)', far, config(protocol, farBind, origin)),
      startHaproxy(rig, 'haproxy (caller)', port, config(protocol, near + plain(protocol), farServer)),
    ];
    return { port, processes, readyMs: await untilOk(processes[1]!, port, ask) };
  },
});
