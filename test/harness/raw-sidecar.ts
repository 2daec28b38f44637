import { type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { FromControlPlane__Output } from '../../proto/gen/weft/v1/FromControlPlane.ts';
import type { FromSidecar } from '../../proto/gen/weft/v1/FromSidecar.ts';
import type { Hello } from '../../proto/gen/weft/v1/Hello.ts';
import type { Push__Output } from '../../proto/gen/weft/v1/Push.ts';
import { weftProto } from '../../proto/load.ts';
import type { DiscoveryServer } from './discovery-server.ts';
import { until } from './until.ts';

/** A sidecar that does only what it is told. */
export function rawSidecar(mesh: Pick<DiscoveryServer, 'channel'>, service: string) {
  const { target, options } = mesh.channel(service);
  const client = new (weftProto().Discovery)(target, credentials.createInsecure(), {
    ...options,
    'grpc.use_local_subchannel_pool': 1,
  });
  const call: ClientDuplexStream<FromSidecar, FromControlPlane__Output> = client.Stream();
  const pushes: Push__Output[] = [];
  let taken = 0;
  let over: Pick<ServiceError, 'code' | 'details'> | undefined;
  call.on('error', (error: ServiceError) => {
    over = { code: error.code, details: error.details };
  });
  call.on('end', () => {
    over ??= { code: status.OK, details: '' };
  });
  const listen = () => call.on('data', ({ push }: FromControlPlane__Output) => push && pushes.push(push));
  return {
    call,
    client,
    pushes,
    listen,
    hello(more: Partial<Hello> = {}, deaf = false) {
      if (!deaf) listen();
      call.write({
        hello: {
          service: { namespace: 'default', name: service },
          instance: `${service}-1`,
          inboundAddress: '10.1.1.1',
          inboundPort: 15006,
          weight: 1,
          ...more,
        },
      });
      return this;
    },
    /** The next push that was not taken yet. */
    async next() {
      await until('a push comes', () => pushes.length > taken);
      return pushes[taken++]!;
    },
    async ack() {
      const push = await this.next();
      call.write({ ack: { nonce: push.nonce } });
      return push;
    },
    async over() {
      await until('the stream ends', () => over !== undefined);
      return over!;
    },
  };
}
