// Original file: proto/weft/v1/discovery.proto

import type { Hello as _weft_v1_Hello, Hello__Output as _weft_v1_Hello__Output } from '../../weft/v1/Hello.ts';
import type { Subscribe as _weft_v1_Subscribe, Subscribe__Output as _weft_v1_Subscribe__Output } from '../../weft/v1/Subscribe.ts';
import type { Ack as _weft_v1_Ack, Ack__Output as _weft_v1_Ack__Output } from '../../weft/v1/Ack.ts';
import type { Nack as _weft_v1_Nack, Nack__Output as _weft_v1_Nack__Output } from '../../weft/v1/Nack.ts';
import type { State as _weft_v1_State, State__Output as _weft_v1_State__Output } from '../../weft/v1/State.ts';

export interface FromSidecar {
  'hello'?: (_weft_v1_Hello | null);
  'subscribe'?: (_weft_v1_Subscribe | null);
  'ack'?: (_weft_v1_Ack | null);
  'nack'?: (_weft_v1_Nack | null);
  'state'?: (_weft_v1_State | null);
  'body'?: "hello"|"subscribe"|"ack"|"nack"|"state";
}

export interface FromSidecar__Output {
  'hello'?: (_weft_v1_Hello__Output | null);
  'subscribe'?: (_weft_v1_Subscribe__Output | null);
  'ack'?: (_weft_v1_Ack__Output | null);
  'nack'?: (_weft_v1_Nack__Output | null);
  'state'?: (_weft_v1_State__Output | null);
  'body'?: "hello"|"subscribe"|"ack"|"nack"|"state";
}
