// Original file: proto/weft/v1/telemetry.proto

export const Direction = {
  DIRECTION_UNSPECIFIED: 'DIRECTION_UNSPECIFIED',
  OUTBOUND: 'OUTBOUND',
  INBOUND: 'INBOUND',
} as const;

export type Direction =
  | 'DIRECTION_UNSPECIFIED'
  | 0
  | 'OUTBOUND'
  | 1
  | 'INBOUND'
  | 2

export type Direction__Output = typeof Direction[keyof typeof Direction]
