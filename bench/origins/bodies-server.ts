// An HTTP/1.1 origin of large bodies: GET /octets/N gives N of them, POST /octets takes as many as come and says how many
// there were. Run as: node bodies-server.ts '{"port":1}'
import { createServer, type ServerResponse } from 'node:http';

const { port } = JSON.parse(process.argv[2]!) as { readonly port: number };
const piece = Buffer.alloc(256 * 1024, 'x');

function send(answer: ServerResponse, octets: number): void {
  let left = octets;
  const more = (): void => {
    while (left > piece.length) {
      left -= piece.length;
      if (!answer.write(piece)) {
        answer.once('drain', more);
        return;
      }
    }
    answer.end(piece.subarray(0, left));
  };
  answer.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': octets });
  more();
}

const server = createServer((request, answer) => {
  const asked = /^\/octets\/(\d+)$/.exec(request.url ?? '');
  if (asked !== null) {
    request.resume();
    send(answer, Number(asked[1]));
    return;
  }
  let octets = 0;
  request.on('data', (chunk: Buffer) => {
    octets += chunk.length;
  });
  request.on('end', () => answer.end(String(octets)));
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen({ port, host: '127.0.0.1', backlog: 511 });
