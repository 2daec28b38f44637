// Original file: proto/weft/v1/discovery.proto

import type { ServiceKey as _weft_v1_ServiceKey, ServiceKey__Output as _weft_v1_ServiceKey__Output } from '../../weft/v1/ServiceKey.ts';
import type { Held as _weft_v1_Held, Held__Output as _weft_v1_Held__Output } from '../../weft/v1/Held.ts';
import type { HeldEndpoint as _weft_v1_HeldEndpoint, HeldEndpoint__Output as _weft_v1_HeldEndpoint__Output } from '../../weft/v1/HeldEndpoint.ts';
import type { Long } from '@grpc/proto-loader';

export interface Hello {
  'service'?: (_weft_v1_ServiceKey | null);
  'instance'?: (string);
  'inboundAddress'?: (string);
  'inboundPort'?: (number);
  'adminAddress'?: (string);
  'weftVersion'?: (string);
  'subscriptions'?: (_weft_v1_ServiceKey)[];
  'revision'?: (number | string | Long);
  'resources'?: (_weft_v1_Held)[];
  'endpoints'?: (_weft_v1_HeldEndpoint)[];
  'locality'?: (string);
  'weight'?: (number);
  'ready'?: (boolean);
  'rootsVersion'?: (string);
  'servicePort'?: (number);
  'serviceProtocol'?: (string);
  'unreadyReason'?: (string);
}

export interface Hello__Output {
  'service': (_weft_v1_ServiceKey__Output | null);
  'instance': (string);
  'inboundAddress': (string);
  'inboundPort': (number);
  'adminAddress': (string);
  'weftVersion': (string);
  'subscriptions': (_weft_v1_ServiceKey__Output)[];
  'revision': (number);
  'resources': (_weft_v1_Held__Output)[];
  'endpoints': (_weft_v1_HeldEndpoint__Output)[];
  'locality': (string);
  'weight': (number);
  'ready': (boolean);
  'rootsVersion': (string);
  'servicePort': (number);
  'serviceProtocol': (string);
  'unreadyReason': (string);
}
