// Original file: proto/weft/v1/discovery.proto

import type { Problem as _weft_v1_Problem, Problem__Output as _weft_v1_Problem__Output } from '../../weft/v1/Problem.ts';
import type { Long } from '@grpc/proto-loader';

export interface Nack {
  'nonce'?: (number | string | Long);
  'problems'?: (_weft_v1_Problem)[];
}

export interface Nack__Output {
  'nonce': (number);
  'problems': (_weft_v1_Problem__Output)[];
}
