// Original file: proto/weft/v1/discovery.proto


export interface State {
  'ready'?: (boolean);
  'reason'?: (string);
}

export interface State__Output {
  'ready': (boolean);
  'reason': (string);
}
