// Original file: proto/weft/v1/discovery.proto

import type { Push as _weft_v1_Push, Push__Output as _weft_v1_Push__Output } from '../../weft/v1/Push.ts';

export interface FromControlPlane {
  'push'?: (_weft_v1_Push | null);
  'body'?: "push";
}

export interface FromControlPlane__Output {
  'push'?: (_weft_v1_Push__Output | null);
  'body'?: "push";
}
