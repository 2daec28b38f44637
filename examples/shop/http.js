// What the three services of the shop have in common. Plain JavaScript without dependencies: any Node from 18 on runs it.
import http from 'node:http';

// Where the sidecar takes our requests to others. Without a mesh, SHOP_<SERVICE>=host:port says where a service is.
const outbound = process.env.WEFT_OUTBOUND;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const maxBody = 64 * 1024;

/** Serves `routes` ({ 'GET /path': handler }) at PORT until SIGTERM; then finishes what is under way. */
export function serve(name, routes) {
  const server = http.createServer((request, response) => {
    const [path] = request.url.split('?');
    if (path === '/healthz') return reply(response, 200, { status: 'well' });
    const handler = routes[`${request.method} ${path}`];
    if (handler === undefined) return reply(response, 404, { error: `${name} has no ${request.method} ${path}` });
    handler(request).then(
      ({ status = 200, ...rest }) => reply(response, status, rest.body, rest.type),
      (error) => {
        console.error(`${name}: ${error.message}`);
        reply(response, error.status ?? 500, { error: error.message });
      },
    );
  });
  server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
    console.log(`${name} listens on http://127.0.0.1:${server.address().port}`);
  });
  process.once('SIGTERM', () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}

function reply(response, status, body, type = 'application/json') {
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** The JSON body of a request or response. */
export async function readJson(message) {
  let text = '';
  for await (const chunk of message.setEncoding('utf8')) {
    text += chunk;
    if (text.length > maxBody) throw Object.assign(new Error('the body is too large'), { status: 413 });
  }
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    throw Object.assign(new Error('the body is not JSON'), { status: 400 });
  }
}

/**
 * Asks another service by its name. The trace of `incoming` goes along: the sidecars see each request by itself, only the
 * service knows which of its own requests belong to which.
 */
export async function ask(service, { method = 'GET', path = '/', headers = {}, body }, incoming) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const sent = { ...headers, host: service, 'content-length': Buffer.byteLength(text) };
  if (text !== '') sent['content-type'] = 'application/json';
  for (const name of ['traceparent', 'tracestate'])
    if (incoming.headers[name] !== undefined) sent[name] = incoming.headers[name];
  const response = await send(service, { method, path, headers: sent }, text);
  const answer = await readJson(response);
  if (response.statusCode < 400) return answer;
  const why = answer.error ?? answer.detail ?? answer.title ?? 'no reason given';
  throw Object.assign(new Error(`${service} answered ${response.statusCode}: ${why}`), { status: 502 });
}

function send(service, options, text) {
  const [host, port] = (outbound ?? process.env[`SHOP_${service.toUpperCase()}`] ?? '').split(':');
  return new Promise((resolve, reject) => {
    const request = http.request({ ...options, host, port, agent, timeout: 10_000 }, resolve);
    request.once('timeout', () => request.destroy(new Error(`${service} did not answer in 10s`)));
    request.once('error', reject);
    request.end(text);
  });
}
