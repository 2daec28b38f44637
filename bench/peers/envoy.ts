import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from '../certificates.ts';
import { freePort, type Rig, untilAnswers } from '../rig.ts';
import { backlog, type Contender, tls } from './peer.ts';

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;
const socketAddress = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** One worker, HTTP/1.1 at both sides, no access log; statistics and request ids as they come. */
const config = (listen: number, next: number, downstreamTls: object, upstreamTls: object): string =>
  JSON.stringify({
    static_resources: {
      listeners: [
        {
          name: 'hop',
          address: socketAddress(listen),
          tcp_backlog_size: backlog,
          filter_chains: [{ filters: [httpManager], ...downstreamTls }],
        },
      ],
      clusters: [
        {
          name: 'next',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: 'next',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(next) } }] }],
          },
          ...upstreamTls,
        },
      ],
    },
  });

const httpManager = {
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'hop',
    codec_type: 'HTTP1',
    route_config: {
      virtual_hosts: [
        { name: 'web', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'next' } }] },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': type('extensions.filters.http.router.v3.Router') },
      },
    ],
  },
};

/** BoringSSL has no setting for the suite of TLS 1.3; with AES in hardware it takes AES-128-GCM first. */
const tlsSocket = (side: 'Downstream' | 'Upstream', leaf: { cert: string; key: string }, root: string) => ({
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': type(`extensions.transport_sockets.tls.v3.${side}TlsContext`),
      ...(side === 'Downstream' ? { require_client_certificate: true } : {}),
      common_tls_context: {
        tls_params: {
          tls_minimum_protocol_version: 'TLSv1_3',
          tls_maximum_protocol_version: 'TLSv1_3',
          ecdh_curves: [tls.curve],
        },
        tls_certificates: [{ certificate_chain: { filename: leaf.cert }, private_key: { filename: leaf.key } }],
        validation_context: { trusted_ca: { filename: root } },
      },
    },
  },
});
const tlsDown = ({ callee, root }: Certificates) => tlsSocket('Downstream', callee, root);
const tlsUp = ({ caller, root }: Certificates) => tlsSocket('Upstream', caller, root);

function startEnvoy(rig: Rig, name: string, port: number, text: string) {
  const file = join(rig.folder, `envoy-${port}.json`);
  writeFileSync(file, text);
  const flags = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'];
  return rig.start(name, ['envoy', '-c', file, ...flags], 'proxy');
}

export const envoyPlain: Contender = {
  name: 'envoy',
  programs: ['envoy'],
  warmUpRequests: 10_000,
  async start({ rig, backend }) {
    const port = await freePort();
    const started = startEnvoy(rig, 'envoy', port, config(port, backend, {}, {}));
    return { port, processes: [started], readyMs: await untilAnswers(started, port, '/') };
  },
};

export const envoyMtls: Contender = {
  name: 'envoy',
  programs: ['envoy'],
  warmUpRequests: 10_000,
  async start({ rig, backend, certificates }) {
    const near = await freePort();
    const far = await freePort();
    const processes = [
      startEnvoy(rig, 'envoy (callee)', far, config(far, backend, tlsDown(certificates), {})),
      startEnvoy(rig, 'envoy (caller)', near, config(near, far, {}, tlsUp(certificates))),
    ];
    return { port: near, processes, readyMs: await untilAnswers(processes[1]!, near, '/') };
  },
};
