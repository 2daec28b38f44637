// Original file: proto/weft/v1/identity.proto


export interface IdentityReply {
  'spiffeId'?: (string);
  'chain'?: (Buffer | Uint8Array | string)[];
  'roots'?: (Buffer | Uint8Array | string)[];
}

export interface IdentityReply__Output {
  'spiffeId': (string);
  'chain': (Buffer)[];
  'roots': (Buffer)[];
}
