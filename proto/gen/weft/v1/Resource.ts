// Original file: proto/weft/v1/resource.proto

import type { ResourceKey as _weft_v1_ResourceKey, ResourceKey__Output as _weft_v1_ResourceKey__Output } from '../../weft/v1/ResourceKey.ts';

export interface Resource {
  'key'?: (_weft_v1_ResourceKey | null);
  'version'?: (string);
  'spec'?: (Buffer | Uint8Array | string);
}

export interface Resource__Output {
  'key': (_weft_v1_ResourceKey__Output | null);
  'version': (string);
  'spec': (Buffer);
}
