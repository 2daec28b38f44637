// Original file: proto/weft/v1/discovery.proto

import type { ServiceKey as _weft_v1_ServiceKey, ServiceKey__Output as _weft_v1_ServiceKey__Output } from '../../weft/v1/ServiceKey.ts';
import type { Endpoint as _weft_v1_Endpoint, Endpoint__Output as _weft_v1_Endpoint__Output } from '../../weft/v1/Endpoint.ts';

export interface EndpointChange {
  'service'?: (_weft_v1_ServiceKey | null);
  'added'?: (_weft_v1_Endpoint)[];
  'removed'?: (string)[];
  'dropped'?: (boolean);
  'localAddress'?: (string);
}

export interface EndpointChange__Output {
  'service': (_weft_v1_ServiceKey__Output | null);
  'added': (_weft_v1_Endpoint__Output)[];
  'removed': (string)[];
  'dropped': (boolean);
  'localAddress': (string);
}
