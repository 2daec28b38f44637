// Original file: proto/weft/v1/discovery.proto


export interface State {
  'ready'?: (boolean);
}

export interface State__Output {
  'ready': (boolean);
}
