// The smallest service: it listens at PORT on 127.0.0.1 and knows nothing of the mesh. Any Node from 18 on runs it.
import http from 'node:http';

const name = process.env.WEFT_INSTANCE ?? 'hello';
const server = http.createServer((_, response) => response.end(`hello from ${name}\n`));
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`hello listens on port ${process.env.PORT}`));
process.once('SIGTERM', () => server.close(() => process.exit(0)));
