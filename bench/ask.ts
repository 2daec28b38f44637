// One question to a path, to see that it is there and leads to the origin. Each gives `ok` or what came instead.
import { get } from 'node:http';
import { connect as connectH2 } from 'node:http2';
import { connect } from 'node:net';
import { grpcMethod } from './load/h2load.ts';
import { host } from './load/load.ts';
import { grpcMessage } from './origins/h2-frames.ts';
import type { Ask } from './rig.ts';

const patienceMs = 3000;
const tooLate = `no answer within ${patienceMs / 1000} s`;
/** Of a stream that ended with its connection, what ended the connection. */
function codeOf(error: NodeJS.ErrnoException): string {
  return error.cause instanceof Error ? codeOf(error.cause) : (error.code ?? error.message);
}

/** GET over HTTP/1.1: 200. Without a name, the `Host` is the address: pages for operators refuse any other. */
export const askHttp =
  (path: string, name?: string): Ask =>
  (port) =>
    new Promise((resolve) => {
      const headers = name === undefined ? {} : { host: name };
      const request = get({ host: '127.0.0.1', port, path, headers, agent: false, timeout: patienceMs }, (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200 ? 'ok' : `status ${answer.statusCode}`);
      });
      request.once('timeout', () => request.destroy(new Error(tooLate)));
      request.once('error', (error) => resolve(codeOf(error)));
    });

/** Opens an HTTP/2 connection without TLS, sends one request and gives what came. */
function exchange(
  port: number,
  fields: Readonly<Record<string, string>>,
  body: Buffer | undefined,
): Promise<{ readonly status: number; readonly body: Buffer; readonly grpcStatus: string } | string> {
  return new Promise((resolve) => {
    const session = connectH2(`http://127.0.0.1:${port}`);
    const done = (result: Parameters<typeof resolve>[0]): void => {
      session.destroy();
      resolve(result);
    };
    session.setTimeout(patienceMs, () => done(tooLate));
    session.on('error', (error) => done(codeOf(error)));
    session.on('close', () => done('the connection was closed'));
    const stream = session.request({ ':authority': host, ...fields }, { endStream: body === undefined });
    const chunks: Buffer[] = [];
    let status = 0;
    let grpcStatus = '';
    stream.on('response', (head) => {
      status = head[':status'] ?? 0;
    });
    stream.on('trailers', (trailers) => {
      grpcStatus = String(trailers['grpc-status']);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error) => done(codeOf(error)));
    stream.on('end', () => done({ status, body: Buffer.concat(chunks), grpcStatus }));
    if (body !== undefined) stream.end(body);
  });
}

/** GET over HTTP/2: 200. */
export const askH2: Ask = async (port) => {
  const answer = await exchange(port, { ':path': '/' }, undefined);
  if (typeof answer === 'string') return answer;
  return answer.status === 200 ? 'ok' : `status ${answer.status}`;
};

/** A unary call: the message of the origin, and status 0 in the trailers. */
export const askGrpc: Ask = async (port) => {
  const fields = { ':method': 'POST', ':path': grpcMethod, 'content-type': 'application/grpc', te: 'trailers' };
  const answer = await exchange(port, fields, grpcMessage);
  if (typeof answer === 'string') return answer;
  const { status, body, grpcStatus } = answer;
  if (status === 200 && body.equals(grpcMessage) && grpcStatus === '0') return 'ok';
  return `status ${status}, ${body.length} octets, grpc-status ${grpcStatus || 'missing'}`;
};

/** One octet from the origin without a protocol. */
export const askTcp: Ask = (port) =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const done = (result: string): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(patienceMs, () => done(tooLate));
    socket.on('error', (error) => done(codeOf(error)));
    socket.on('close', () => done('the connection was closed'));
    socket.on('data', (octets: Buffer) => done(octets.length === 1 ? 'ok' : `${octets.length} octets`));
    socket.write('send 1\n');
  });
