// Original file: proto/weft/v1/discovery.proto

import type { ServiceKey as _weft_v1_ServiceKey, ServiceKey__Output as _weft_v1_ServiceKey__Output } from '../../weft/v1/ServiceKey.ts';

export interface Subscribe {
  'services'?: (_weft_v1_ServiceKey)[];
}

export interface Subscribe__Output {
  'services': (_weft_v1_ServiceKey__Output)[];
}
