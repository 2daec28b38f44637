import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import type { Address } from '../../lib/address.ts';
import { grpcStatus, grpcStatusNames } from '../../lib/grpc-status.ts';
import { type Problem, problemOf } from './problem.ts';

const question = 'grpc.health.v1.Health/Check';
/** Most octets of an answer that is worth reading. */
const MAX_ANSWER = 1024;
/** Octets before each message: a flag and a length. */
const PREFIX = 5;
const states = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = states.indexOf('SERVING');

/** Asks as proto/grpc/health/v1/health.proto says, in octets: two messages of one field do not need a library. */
export const grpcCheck = (app: Address, service: string, signal: AbortSignal): Promise<Problem | undefined> =>
  new Promise((resolve) => {
    const session = connectHttp2('http://localhost', { createConnection: () => connect(app) });
    const end = (problem?: Problem): void => {
      resolve(problem);
      session.destroy();
    };
    const failed = (error: Error): void => end(problemOf(error, signal, question));
    session.on('error', failed);
    const stream = session.request(
      { ':method': 'POST', ':path': `/${question}`, 'content-type': 'application/grpc', te: 'trailers' },
      { signal },
    );
    stream.on('error', failed);
    let said: IncomingHttpHeaders = {};
    let answer = Buffer.alloc(0);
    stream.on('response', (headers) => {
      said = { ...headers };
    });
    stream.on('trailers', (headers) => {
      said = { ...said, ...headers };
    });
    stream.on('data', (octets: Buffer) => {
      if (answer.length <= MAX_ANSWER) answer = Buffer.concat([answer, octets]);
    });
    stream.on('end', () => end(judge(said, answer, service)));
    stream.end(ask(service));
  });

/** HealthCheckRequest with its one field, `service`. */
function ask(service: string): Buffer {
  const name = Buffer.from(service, 'latin1');
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function judge(said: IncomingHttpHeaders, answer: Buffer, service: string): Problem | undefined {
  const status = said['grpc-status'];
  const problem = (text: string): Problem => ({ text, gone: false });
  if (typeof status !== 'string')
    return problem(`answered ${question} with HTTP ${said[':status']} and no gRPC status`);
  if (Number(status) === grpcStatus.UNIMPLEMENTED) return problem('does not offer grpc.health.v1.Health');
  if (Number(status) === grpcStatus.NOT_FOUND) return problem(`has no health of the gRPC service '${service}'`);
  if (status !== '0') return problem(`answered ${question} with ${grpcStatusNames[Number(status)] ?? status}`);
  // HealthCheckResponse with its one field, `status`; absent where it is 0.
  const state = answer.length < PREFIX + 2 ? 0 : answer[PREFIX] === 0x08 ? answer[PREFIX + 1]! : 0;
  return state === SERVING ? undefined : problem(`says that it is ${states[state] ?? state}`);
}
