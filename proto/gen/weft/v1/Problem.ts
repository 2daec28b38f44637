// Original file: proto/weft/v1/discovery.proto

import type { ResourceKey as _weft_v1_ResourceKey, ResourceKey__Output as _weft_v1_ResourceKey__Output } from '../../weft/v1/ResourceKey.ts';

export interface Problem {
  'key'?: (_weft_v1_ResourceKey | null);
  'path'?: (string);
  'message'?: (string);
}

export interface Problem__Output {
  'key': (_weft_v1_ResourceKey__Output | null);
  'path': (string);
  'message': (string);
}
