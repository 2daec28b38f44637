import { grpcStatus, grpcStatusNames, isGrpcFault } from './grpc-status.ts';

test('each status has its name at its number', () => {
  expect(grpcStatusNames).toHaveLength(17);
  for (const [name, number] of Object.entries(grpcStatus)) expect(grpcStatusNames[number]).toBe(name);
});

test('only what the service is to blame for is a fault', () => {
  expect(grpcStatusNames.filter((_, status) => isGrpcFault(status))).toEqual([
    'UNKNOWN',
    'DEADLINE_EXCEEDED',
    'UNIMPLEMENTED',
    'INTERNAL',
    'UNAVAILABLE',
    'DATA_LOSS',
  ]);
  expect(isGrpcFault(-1)).toBe(false);
});
