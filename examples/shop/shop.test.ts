import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Running, startProgram } from '../../test/harness/weft.ts';

/** The three services by themselves: without a mesh they find each other by SHOP_<SERVICE>. */
const running: Running[] = [];
afterAll(async () => {
  const codes = await Promise.all(running.map((one) => one.end()));
  expect(codes).toEqual([0, 0, 0]);
});

async function start(name: string, env: NodeJS.ProcessEnv): Promise<string> {
  const one = startProgram(process.execPath, [join(import.meta.dirname, `${name}.js`)], { env: { PORT: '0', ...env } });
  running.push(one);
  return one.line((line) => /listens on http:\/\/(.*)$/.exec(line)?.[1]);
}

test('an order goes from web through cart to payments, is paid once, and fails with a reason', async () => {
  const payments = await start('payments', { WEFT_INSTANCE: 'payments-1' });
  const cart = await start('cart', { SHOP_PAYMENTS: payments });
  const web = await start('web', { SHOP_CART: cart });

  const receipt = await (await fetch(`http://${web}/`)).json();
  expect(receipt).toMatchObject({ items: 3, cents: 3750, paidBy: 'payments-1', payment: expect.any(String) });

  const headers = { 'idempotency-key': 'order-1' };
  const pay = async (): Promise<unknown> => (await fetch(`http://${web}/`, { headers })).json();
  expect(await pay()).toEqual(await pay());

  const page = await fetch(`http://${web}/`, { headers: { accept: 'text/html' } });
  expect(page.headers.get('content-type')).toBe('text/html');
  expect(await page.text()).toContain('<h1>Thank you</h1>');

  const wrong = await fetch(`http://${cart}/checkout`, { method: 'POST', body: '{"items":0}' });
  expect([wrong.status, await wrong.json()]).toEqual([400, { error: 'items: 1 to 100' }]);
  expect((await fetch(`http://${payments}/charge`, { method: 'POST', body: '{' })).status).toBe(400);
  expect((await fetch(`http://${web}/nothing`)).status).toBe(404);
});

test('the mesh file says what the services are called', async () => {
  const text = await readFile(join(import.meta.dirname, 'mesh.yaml'), 'utf8');
  for (const name of ['web', 'cart', 'payments']) expect(text).toContain(`command: [node, ${name}.js]`);
});
