import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { askHttp } from '../ask.ts';
import { freePort, type Place, type Rig, untilOk } from '../rig.ts';
import { backlog, type Contender, compiledWarmUp } from './peer.ts';

/** One process, one worker, no logs, connections kept open for as long as the run lasts. */
const config = (listen: number, upstream: string, location: string): string => `
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off; server_tokens off; tcp_nodelay on;
  keepalive_timeout 600s; keepalive_requests 1000000000;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  ${upstream}
  server { listen 127.0.0.1:${listen} backlog=${backlog}; ${location} }
}
`;

async function startNginx(rig: Rig, name: string, place: Place, port: number, text: string) {
  const folder = join(rig.folder, `nginx-${port}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'nginx.conf'), text);
  const started = rig.start(name, ['nginx', '-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')], place);
  return { started, readyMs: await untilOk(started, port, askHttp('/')) };
}

/** The origin of small HTTP/1.1 answers; gives its port. */
export async function startBackend(rig: Rig): Promise<number> {
  const port = await freePort();
  const locations = `location / { return 200 "hello, mesh\\n"; } location /1k { return 200 "${'x'.repeat(1024)}"; }`;
  await startNginx(rig, 'backend', 'load', port, config(port, '', locations));
  return port;
}

/** One plain hop. */
export const nginx: Contender = {
  name: 'nginx',
  app: 'web',
  programs: ['nginx'],
  warmUpRequests: compiledWarmUp,
  async start({ rig, origins }) {
    const port = await freePort();
    const { port: backend } = await origins.of('web');
    const upstream = `upstream next { server 127.0.0.1:${backend}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; }`;
    const location =
      'location / { proxy_pass http://next; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }';
    const { started, readyMs } = await startNginx(rig, 'nginx', 'proxy', port, config(port, upstream, location));
    return { port, processes: [started], readyMs };
  },
};
