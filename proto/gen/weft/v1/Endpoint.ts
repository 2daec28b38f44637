// Original file: proto/weft/v1/resource.proto


export interface Endpoint {
  'id'?: (string);
  'address'?: (string);
  'port'?: (number);
  'weight'?: (number);
  'identity'?: (string);
  'locality'?: (string);
  'version'?: (string);
}

export interface Endpoint__Output {
  'id': (string);
  'address': (string);
  'port': (number);
  'weight': (number);
  'identity': (string);
  'locality': (string);
  'version': (string);
}
