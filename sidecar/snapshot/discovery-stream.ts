import type { ChannelCredentials, ChannelOptions } from '@grpc/grpc-js';
import type { FromControlPlane__Output } from '../../proto/gen/weft/v1/FromControlPlane.ts';
import type { FromSidecar } from '../../proto/gen/weft/v1/FromSidecar.ts';
import type { Push__Output } from '../../proto/gen/weft/v1/Push.ts';
import { weftProto } from '../../proto/load.ts';

/** Whom to call, and as whom. `controlPlaneChannel` of sidecar/tls makes it from the newest certificate. */
export interface Channel {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly options?: ChannelOptions;
}

/** One stream over a connection of its own. */
export interface DiscoveryStream {
  send(message: FromSidecar): void;
  /** Ends in order: the control plane takes the endpoint out at once. */
  end(): void;
  /** Ends now. */
  cancel(): void;
}

/**
 * A connection of its own for each stream, so that a new certificate is used from the next stream on and the time of each
 * attempt is ours to choose. Pings find a connection that is dead without a word within 30 s.
 */
const channelOptions: ChannelOptions = {
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': 32 * 1024 * 1024,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
};

/** Opens a stream. `onOver` is called once, with why, whoever ended it; nothing is called after that. */
export function openDiscoveryStream(
  to: Channel,
  on: { readonly onPush: (push: Push__Output) => void; readonly onOver: (why: string) => void },
): DiscoveryStream {
  const { Discovery } = weftProto();
  const client = new Discovery(to.target, to.credentials, { ...channelOptions, ...to.options });
  const call = client.Stream();
  let over = false;
  const finish = (why: string): void => {
    if (over) return;
    over = true;
    client.close();
    on.onOver(why);
  };
  call.on('data', ({ push }: FromControlPlane__Output) => {
    if (!over && push) on.onPush(push); // a body that this version does not know is no push
  });
  call.on('error', (error: Error) => finish(error.message));
  call.on('end', () => finish('the control plane ended the stream'));
  return {
    send: (message) => void (over || call.write(message)),
    end: () => call.end(),
    cancel() {
      call.cancel();
      finish('cancelled');
    },
  };
}
