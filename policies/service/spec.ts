import type { Protocol } from '../policy.ts';

/** A Service once parsed: a named destination, with the endpoints that are known without any registry. */
export interface ServiceSpec {
  readonly ports: readonly ServicePort[];
  readonly endpoints: readonly StaticEndpoint[];
}

export interface ServicePort {
  readonly port: number;
  readonly protocol: Protocol;
}

/** What a port can speak. */
export const protocols = ['http', 'http2', 'grpc', 'tcp'] as const satisfies readonly Protocol[];

export interface StaticEndpoint {
  /** IP address, or `unix:PATH`. */
  readonly address: string;
  /** 0 for a unix-domain socket. */
  readonly port: number;
  readonly weight: number;
  /** SPIFFE ID that it must prove; absent for plain text. */
  readonly identity?: string;
}
