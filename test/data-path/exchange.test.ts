import { send } from '../harness/client.ts';
import { http1Origin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';

test('requests of one connection go to the service over one connection', async () => {
  await using origin = await http1Origin((req, res) => void res.end(`you asked for ${req.url}`));
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  await using client = await sidecar.client();
  for (const path of ['/a', '/b', '/c?d=e']) {
    await client.send(`GET ${path} HTTP/1.1\r\nHost: web\r\n\r\n`);
    expect(await client.response()).toMatchObject({ status: 200, body: `you asked for ${path}` });
  }
  expect(origin.connections).toBe(1);
  expect(sidecar.records.map(({ status, path }) => [status, path])).toEqual([
    [200, '/a'],
    [200, '/b'],
    [200, '/c'],
  ]);
});

test('a body goes through in both directions', async () => {
  await using origin = await http1Origin((req, res, seen) => {
    req.on('end', () => res.end(seen.body.toUpperCase()));
  });
  await using sidecar = await startTestSidecar({ services: { web: [origin.address] } });
  const answer = await send(sidecar.outbound, { method: 'POST', body: 'hello' });
  expect(answer).toMatchObject({ status: 200, body: 'HELLO' });
});
