import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates, Leaf } from '../certificates.ts';
import { apps, type Protocol } from '../origins/origins.ts';
import { freePort, type Rig, untilOk } from '../rig.ts';
import { backlog, type Contender, compiledWarmUp, type Shape, tls } from './peer.ts';

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;
const socketAddress = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** One side of a hop: what is spoken there, and the settings of TLS if there is any. */
interface Side {
  readonly port: number;
  readonly protocol: Protocol;
  readonly tls?: object;
}

/** More than any scenario needs. What Envoy ships with would refuse the 1025th request at once. */
const plenty = { max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 };

/** One worker, no access log; statistics and request ids as they come. */
const config = (down: Side, up: Side): string =>
  JSON.stringify({
    static_resources: {
      listeners: [
        {
          name: 'hop',
          address: socketAddress(down.port),
          tcp_backlog_size: backlog,
          filter_chains: [{ filters: [down.protocol === 'tcp' ? tcpProxy : httpManager(down.protocol)], ...down.tls }],
        },
      ],
      clusters: [
        {
          name: 'next',
          type: 'STATIC',
          connect_timeout: '5s',
          circuit_breakers: { thresholds: [plenty] },
          load_assignment: {
            cluster_name: 'next',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(up.port) } }] }],
          },
          ...(up.protocol === 'h2' ? { typed_extension_protocol_options: speakH2 } : {}),
          ...up.tls,
        },
      ],
    },
  });

const httpManager = (protocol: Protocol) => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'hop',
    codec_type: protocol === 'h2' ? 'HTTP2' : 'HTTP1',
    route_config: {
      virtual_hosts: [
        {
          name: 'web',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'next', timeout: '600s' } }],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': type('extensions.filters.http.router.v3.Router') },
      },
    ],
  },
});

const tcpProxy = {
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: {
    '@type': type('extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: 'hop',
    cluster: 'next',
  },
};

const speakH2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
    explicit_http_config: { http2_protocol_options: {} },
  },
};

/** BoringSSL has no setting for the suite of TLS 1.3; with AES in hardware it takes AES-128-GCM first. */
const tlsSocket = (side: 'Downstream' | 'Upstream', leaf: Leaf, root: string, protocol: Protocol) => ({
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
        ...(protocol === 'h2' ? { alpn_protocols: ['h2'] } : {}),
      },
    },
  },
});
const tlsDown = ({ callee, root }: Certificates, protocol: Protocol) => tlsSocket('Downstream', callee, root, protocol);
const tlsUp = ({ caller, root }: Certificates, protocol: Protocol) => tlsSocket('Upstream', caller, root, protocol);

function startEnvoy(rig: Rig, name: string, port: number, text: string) {
  const file = join(rig.folder, `envoy-${port}.json`);
  writeFileSync(file, text);
  const flags = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'];
  return rig.start(name, ['envoy', '-c', file, ...flags], 'proxy');
}

export const envoy = ({ app, between, name = 'envoy' }: Shape): Contender => ({
  name,
  app,
  programs: ['envoy'],
  warmUpRequests: compiledWarmUp,
  async start({ rig, origins, certificates }) {
    const { protocol, ask } = apps[app];
    const near = { port: await freePort(), protocol };
    const origin = { port: (await origins.of(app)).port, protocol };
    if (between === undefined) {
      const started = startEnvoy(rig, 'envoy', near.port, config(near, origin));
      return { port: near.port, processes: [started], readyMs: await untilOk(started, near.port, ask) };
    }
    const far = { port: await freePort(), protocol: between };
    const farDown = { ...far, tls: tlsDown(certificates, between) };
    const farUp = { ...far, tls: tlsUp(certificates, between) };
    const processes = [
      startEnvoy(rig, 'envoy (callee)', far.port, config(farDown, origin)),
      startEnvoy(rig, 'envoy (caller)', near.port, config(near, farUp)),
    ];
    return { port: near.port, processes, readyMs: await untilOk(processes[1]!, near.port, ask) };
  },
});
