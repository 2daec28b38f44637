// Original file: proto/weft/v1/telemetry.proto

import type { Direction as _weft_v1_Direction, Direction__Output as _weft_v1_Direction__Output } from '../../weft/v1/Direction.ts';
import type { ServiceKey as _weft_v1_ServiceKey, ServiceKey__Output as _weft_v1_ServiceKey__Output } from '../../weft/v1/ServiceKey.ts';
import type { Long } from '@grpc/proto-loader';

export interface Edge {
  'direction'?: (_weft_v1_Direction);
  'peer'?: (_weft_v1_ServiceKey | null);
  'peerIdentity'?: (string);
  'requests'?: (number | string | Long);
  'failures'?: (number | string | Long);
  'latency'?: (number)[];
  'retries'?: (number | string | Long);
}

export interface Edge__Output {
  'direction': (_weft_v1_Direction__Output);
  'peer': (_weft_v1_ServiceKey__Output | null);
  'peerIdentity': (string);
  'requests': (number);
  'failures': (number);
  'latency': (number)[];
  'retries': (number);
}
