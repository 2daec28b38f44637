// Original file: proto/weft/v1/telemetry.proto

import type { Edge as _weft_v1_Edge, Edge__Output as _weft_v1_Edge__Output } from '../../weft/v1/Edge.ts';

export interface EdgeReport {
  'edges'?: (_weft_v1_Edge)[];
  'windowMs'?: (number);
}

export interface EdgeReport__Output {
  'edges': (_weft_v1_Edge__Output)[];
  'windowMs': (number);
}
