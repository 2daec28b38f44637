// One instance of the services of a soak run, until SIGTERM: HTTP/1.1 with WebSocket, gRPC, and TCP, each on its own port.
import { createServer } from 'node:http';
import { createServer as createTcp } from 'node:net';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { WebSocketServer } from 'ws';

const [httpPort, grpcPort, tcpPort] = process.argv.slice(2).map(Number);

const http = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  // A caller who leaves is part of the plan, on either stream.
  request.on('error', () => response.destroy());
  response.on('error', () => request.destroy());
  if (pathname === '/echo') request.pipe(response);
  else if (pathname === '/large') sendLarge(response, Number(searchParams.get('octets')));
  else if (pathname === '/events') sendEvents(response);
  else {
    request.resume();
    request.on('end', () => response.end('small\n'));
  }
});

function sendLarge(response, octets) {
  const piece = Buffer.alloc(64 * 1024, 'x');
  let left = octets;
  const more = () => {
    while (left > 0) {
      const size = Math.min(left, piece.length);
      left -= size;
      if (!response.write(piece.subarray(0, size))) return;
    }
    response.end();
  };
  response.writeHead(200, { 'content-length': octets });
  response.on('drain', more);
  more();
}

function sendEvents(response) {
  let event = 0;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => {
    response.write(`data: ${++event}\n\n`);
    if (event === 5) response.end();
  }, 50);
  response.on('close', () => clearInterval(timer));
}

const webSockets = new WebSocketServer({ server: http, perMessageDeflate: false });
webSockets.on('connection', (socket) => {
  socket.on('error', () => socket.terminate());
  socket.on('message', (message, binary) => socket.send(message, { binary }));
});

const octets = (value) => value;
const method = (name, requestStream, responseStream) => ({
  path: `/soak.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: octets,
  requestDeserialize: octets,
  responseSerialize: octets,
  responseDeserialize: octets,
});
const grpc = new Server();
grpc.addService(
  { Unary: method('Unary', false, false), Stream: method('Stream', true, true), Fail: method('Fail', false, false) },
  {
    Unary: (call, done) => done(null, call.request),
    Fail: (_, done) => done({ code: status.FAILED_PRECONDITION, details: 'as asked' }),
    Stream(call) {
      call.on('error', () => call.end());
      call.on('data', (message) => call.write(message));
      call.on('end', () => call.end());
    },
  },
);

const tcp = createTcp({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});

const { promise: bound, resolve, reject } = Promise.withResolvers();
grpc.bindAsync(`127.0.0.1:${grpcPort}`, ServerCredentials.createInsecure(), (error) =>
  error ? reject(error) : resolve(),
);
await Promise.all([
  bound,
  new Promise((done) => http.listen(httpPort, '127.0.0.1', done)),
  new Promise((done) => tcp.listen(tcpPort, '127.0.0.1', done)),
]);
process.stdout.write('listening\n');

process.once('SIGTERM', () => {
  // As long as a service would get to finish what it is at.
  setTimeout(() => process.exit(0), 2000).unref();
  http.close();
  tcp.close();
  grpc.tryShutdown(() => {});
});
