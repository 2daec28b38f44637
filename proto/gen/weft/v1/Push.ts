// Original file: proto/weft/v1/discovery.proto

import type { Resource as _weft_v1_Resource, Resource__Output as _weft_v1_Resource__Output } from '../../weft/v1/Resource.ts';
import type { ResourceKey as _weft_v1_ResourceKey, ResourceKey__Output as _weft_v1_ResourceKey__Output } from '../../weft/v1/ResourceKey.ts';
import type { EndpointChange as _weft_v1_EndpointChange, EndpointChange__Output as _weft_v1_EndpointChange__Output } from '../../weft/v1/EndpointChange.ts';
import type { ServiceKey as _weft_v1_ServiceKey, ServiceKey__Output as _weft_v1_ServiceKey__Output } from '../../weft/v1/ServiceKey.ts';
import type { Long } from '@grpc/proto-loader';

export interface Push {
  'nonce'?: (number | string | Long);
  'revision'?: (number | string | Long);
  'resources'?: (_weft_v1_Resource)[];
  'removed'?: (_weft_v1_ResourceKey)[];
  'endpoints'?: (_weft_v1_EndpointChange)[];
  'absent'?: (_weft_v1_ServiceKey)[];
  'roots'?: (Buffer | Uint8Array | string)[];
  'full'?: (boolean);
}

export interface Push__Output {
  'nonce': (number);
  'revision': (number);
  'resources': (_weft_v1_Resource__Output)[];
  'removed': (_weft_v1_ResourceKey__Output)[];
  'endpoints': (_weft_v1_EndpointChange__Output)[];
  'absent': (_weft_v1_ServiceKey__Output)[];
  'roots': (Buffer)[];
  'full': (boolean);
}
