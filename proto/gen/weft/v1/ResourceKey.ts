// Original file: proto/weft/v1/resource.proto


export interface ResourceKey {
  'kind'?: (string);
  'namespace'?: (string);
  'name'?: (string);
}

export interface ResourceKey__Output {
  'kind': (string);
  'namespace': (string);
  'name': (string);
}
