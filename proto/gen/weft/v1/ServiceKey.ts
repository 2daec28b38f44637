// Original file: proto/weft/v1/resource.proto


export interface ServiceKey {
  'namespace'?: (string);
  'name'?: (string);
}

export interface ServiceKey__Output {
  'namespace': (string);
  'name': (string);
}
