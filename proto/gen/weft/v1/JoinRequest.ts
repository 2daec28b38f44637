// Original file: proto/weft/v1/identity.proto


export interface JoinRequest {
  'token'?: (string);
  'csr'?: (Buffer | Uint8Array | string);
}

export interface JoinRequest__Output {
  'token': (string);
  'csr': (Buffer);
}
