import { startTestApi, type TestApi } from './test-api.ts';

type Json = Readonly<Record<string, unknown>>;

let at: TestApi;
let document: Json;
beforeAll(async () => {
  at = await startTestApi();
  document = (await at.get('/openapi.json')).body;
});
afterAll(() => at.close());

const paths = () => document.paths as Record<string, Record<string, Json>>;
const operations = () =>
  Object.entries(paths()).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('the document lists every route that the server has, and no other', async () => {
  expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Weft control plane', version: '0.0.0' } });
  expect(operations().map(({ method, path }) => `${method.toUpperCase()} ${path}`)).toEqual([
    'POST /v1/apply',
    'POST /v1/rollback',
    'GET /v1/resources',
    'GET /v1/revisions',
    'GET /v1/revisions/{revision}',
    'GET /v1/diff',
    'GET /v1/services',
    'GET /v1/proxies',
    'GET /v1/convergence',
    'GET /v1/edges',
    'POST /v1/tokens',
    'GET /v1/status',
    'GET /v1/prometheus/targets',
    'GET /metrics',
    'GET /v1/watch',
    'GET /v1/proxies/{namespace}/{service}/{instance}/admin/{rest}',
    'GET /jaeger',
    'GET /jaeger/{rest}',
    'GET /healthz',
    'GET /readyz',
    'GET /openapi.json',
  ]);
});

test('each operation has a name of its own, a summary, an answer and a problem', () => {
  const names = operations().map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(names.length);
  for (const { operation } of operations())
    expect(operation).toMatchObject({
      operationId: expect.stringMatching(/^[a-z][A-Za-z0-9]+$/),
      summary: expect.stringMatching(/\.$/),
      responses: { 200: { description: expect.any(String) }, default: { content: expect.anything() } },
    });
});

test('each parameter of a path is described, and each POST says what it takes', () => {
  for (const { path, method, operation } of operations()) {
    const parameters = (operation.parameters ?? []) as { name: string; in: string; required: boolean; schema: Json }[];
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(inPath);
    for (const parameter of parameters) expect(parameter.schema).toMatchObject({ type: expect.any(String) });
    expect(operation.requestBody !== undefined).toBe(method === 'post');
  }
  expect(paths()['/v1/diff']!.get!.parameters).toMatchObject([
    { name: 'from', in: 'query', required: true },
    { name: 'to', in: 'query', required: false },
  ]);
});

test('every reference leads somewhere, and nothing in it is left undefined', () => {
  const schemas = (document.components as { schemas: Record<string, Json> }).schemas;
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference!);
  expect(references.length).toBeGreaterThan(10);
  for (const reference of references) {
    const [, name] = /^#\/components\/schemas\/(\w+)$/.exec(reference) ?? [];
    expect(schemas).toHaveProperty(name!);
  }
  expect(schemas.Proxy).toMatchObject({ type: 'object', properties: { state: { enum: expect.any(Array) } } });
  expect(JSON.stringify(document)).not.toMatch(/"\$(?:id|schema)"/);
});
