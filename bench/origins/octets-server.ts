// An origin without a protocol of its own. The line `send N` gets N octets; `take N` gets the line `go`, and after N octets
// the line `took`. Any number of such lines on a connection, each after the answer to the one before.
// Run as: node octets-server.ts '{"port":1}'
import { createServer, type Socket } from 'node:net';

const { port } = JSON.parse(process.argv[2]!) as { readonly port: number };
const piece = Buffer.alloc(256 * 1024, 'x');

function send(socket: Socket, octets: number): void {
  let left = octets;
  const more = (): void => {
    while (left > 0) {
      const part = left > piece.length ? piece : piece.subarray(0, left);
      left -= part.length;
      if (!socket.write(part) && left > 0) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

const server = createServer({ noDelay: true }, (socket) => {
  let line = '';
  let toTake = 0;
  const obey = (text: string): void => {
    const [, verb, count] = /^(send|take) (\d+)\n$/.exec(text) ?? [];
    if (verb === 'send') send(socket, Number(count));
    else if (verb === 'take') {
      toTake = Number(count);
      socket.write('go\n');
    } else {
      process.stderr.write(`origin: neither send nor take: ${text.slice(0, 100)}`);
      socket.destroy();
    }
  };
  socket.on('data', (octets: Buffer) => {
    if (toTake > 0) {
      toTake -= octets.length;
      if (toTake <= 0) socket.write('took\n');
      return;
    }
    line += octets.toString('latin1');
    if (!line.endsWith('\n')) return;
    obey(line);
    line = '';
  });
  socket.on('error', () => socket.destroy());
});
server.listen({ port, host: '127.0.0.1', backlog: 511 });
