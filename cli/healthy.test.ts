import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runWeft } from '../test/harness/weft.ts';
import { askHealth } from './healthy.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Something that answers every path with these, by path; 404 elsewhere. */
async function answering(pages: Readonly<Record<string, readonly [status: number, body: string]>>): Promise<string> {
  const server = createServer((request, response) => {
    const [status, body] = pages[request.url ?? ''] ?? [404, ''];
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => server.close());
  return `:${(server.address() as AddressInfo).port}`;
}

// Nothing listens there: port 1 is reserved.
const nobody = '127.0.0.1:1';

test('a sidecar is asked whether its app may start', async () => {
  const admin = await answering({ '/ready/outbound': [200, '{"ready":true}'], '/ready': [503, '{}'] });
  expect(await askHealth({ WEFT_ADMIN: `127.0.0.1${admin}` })).toEqual({ exitCode: 0, text: 'the sidecar is well' });
});

test('one that is not well says why', async () => {
  const problem = JSON.stringify({ title: 'not ready', detail: 'no certificate yet' });
  const admin = await answering({ '/ready/outbound': [503, problem] });
  expect(await askHealth({ WEFT_ADMIN: `0.0.0.0${admin}` })).toEqual({
    exitCode: 1,
    text: 'the sidecar is not well: no certificate yet',
  });
});

test('where there is no sidecar, the control plane is asked', async () => {
  const api = await answering({ '/readyz': [200, '{}'] });
  const env = { WEFT_ADMIN: nobody, WEFT_API: `0.0.0.0${api}` };
  expect(await askHealth(env)).toEqual({ exitCode: 0, text: 'the control plane is well' });
});

test('where there is neither, it says where it looked and exits with 3', async () => {
  const { code, stdout } = await runWeft(['healthy'], { env: { WEFT_ADMIN: nobody, WEFT_API: nobody } });
  expect([code, stdout]).toEqual([
    3,
    'nothing listens here: asked for the sidecar at 127.0.0.1:1 or the control plane at 127.0.0.1:1\n',
  ]);
});
