import { type ErrorCode, errors } from '../../../lib/errors.ts';
import { errorReply } from '../exchange.ts';
import { nameId } from '../message/names.ts';
import { grpcReplyFields, grpcStatusOf, grpcTrailers } from './reply.ts';
import { readGrpcStatus } from './status.ts';

test('an error is an answer of nothing but trailers, with its code', () => {
  expect(grpcReplyFields(errorReply('NO_ENDPOINT', '10.0.0.7 is for the log'))).toEqual([
    ['content-type', 'application/grpc'],
    ['grpc-status', '14'],
    ['grpc-message', 'NO_ENDPOINT: the service has no endpoint that is ready'],
    ['weft-error', 'NO_ENDPOINT'],
  ]);
});

test('the policy that decided is named, and its fields go along', () => {
  const reply = {
    ...errorReply('ATTEMPT_TIMEOUT', '', 'TimeoutPolicy shop/eil%'),
    headers: [['retry-after', '1']] as const,
  };
  expect(Object.fromEntries(grpcReplyFields(reply))).toMatchObject({
    'retry-after': '1',
    'grpc-status': '4',
    'grpc-message': expect.stringContaining('(TimeoutPolicy shop/eil%25)'),
  });
});

test('every row of the error table has a status that is no success', () => {
  for (const code of Object.keys(errors) as ErrorCode[]) expect([code, grpcStatusOf(code)]).not.toEqual([code, 0]);
});

test('a redirect, which gRPC does not follow, is an unknown answer without an error of the mesh', () => {
  const fields = Object.fromEntries(
    grpcReplyFields({ code: 'REDIRECT', status: 302, headers: [['location', '/b']], policy: '' }),
  );
  expect(fields).toMatchObject({ 'grpc-status': '2', location: '/b' });
  expect(fields).not.toHaveProperty('weft-error');
});

test('a response that breaks off ends in trailers that are a head like any other', () => {
  const head = grpcTrailers(errorReply('UPSTREAM_RESET'));
  expect(readGrpcStatus(head)).toBe(14);
  const fields = Array.from({ length: head.count }, (_, field) => [
    head.text(head.nameStart(field), head.nameEnd(field)),
    head.value(field),
    head.ids[field],
    head.isClean(field),
  ]);
  expect(fields).toEqual([
    ['grpc-status', '14', nameId['grpc-status'], true],
    ['grpc-message', `UPSTREAM_RESET: ${errors.UPSTREAM_RESET.text}`, nameId['grpc-message'], true],
    ['weft-error', 'UPSTREAM_RESET', nameId['weft-error'], true],
  ]);
  expect(head.text(head.fieldsStart, head.fieldsEnd)).toMatch(
    /^grpc-status: 14\r\ngrpc-message: .*\r\nweft-error: UPSTREAM_RESET\r\n$/,
  );
});
