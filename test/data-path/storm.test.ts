import { requestText } from '../harness/client.ts';
import { http1Origin } from '../harness/origin.ts';
import { startTestSidecar } from '../harness/sidecar.ts';

test('RES-RETRY-STORM: a service that fails all the time gets a fifth more requests, not four times as many', async () => {
  await using origin = await http1Origin((_, res) => void res.writeHead(503).end());
  await using sidecar = await startTestSidecar({
    services: { web: [origin.address] },
    yaml: `
apiVersion: weft.dev/v1
kind: RetryPolicy
metadata: { name: eager }
spec:
  targetRefs: [{ kind: Mesh }]
  retries: 3
  on: [503]
  backoff: { base: 1ms, max: 2ms }
  budget: { percent: 20, minPerSecond: 0 }
`,
  });
  const total = 500;
  await using client = await sidecar.client();
  for (let i = 0; i < total; i++) {
    await client.send(requestText());
    expect((await client.response()).status).toBe(503);
  }
  expect(origin.requests.length).toBeGreaterThan(total);
  expect(origin.requests.length).toBeLessThanOrEqual(total * 1.2 + 1);
});
