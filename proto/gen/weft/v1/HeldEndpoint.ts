// Original file: proto/weft/v1/discovery.proto

import type { ServiceKey as _weft_v1_ServiceKey, ServiceKey__Output as _weft_v1_ServiceKey__Output } from '../../weft/v1/ServiceKey.ts';

export interface HeldEndpoint {
  'service'?: (_weft_v1_ServiceKey | null);
  'id'?: (string);
  'version'?: (string);
  'localAddress'?: (string);
}

export interface HeldEndpoint__Output {
  'service': (_weft_v1_ServiceKey__Output | null);
  'id': (string);
  'version': (string);
  'localAddress': (string);
}
