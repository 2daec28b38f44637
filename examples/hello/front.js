// Asks `hello` for each request that it gets: it sends to its sidecar and says in Host whom it means.
import http from 'node:http';

const [host, port] = process.env.WEFT_OUTBOUND.split(':');

const server = http.createServer((_, response) => {
  const asked = http.get({ host, port, path: '/', headers: { host: 'hello' } }, (answer) => {
    response.writeHead(answer.statusCode);
    answer.pipe(response);
  });
  asked.on('error', (error) => response.writeHead(502).end(`${error.message}\n`));
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`front listens on port ${process.env.PORT}`));
process.once('SIGTERM', () => server.close(() => process.exit(0)));
