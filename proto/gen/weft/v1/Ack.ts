// Original file: proto/weft/v1/discovery.proto

import type { Long } from '@grpc/proto-loader';

export interface Ack {
  'nonce'?: (number | string | Long);
}

export interface Ack__Output {
  'nonce': (number);
}
