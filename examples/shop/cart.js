// The cart: adds up what it holds and asks payments to charge it.
import { ask, readJson, serve } from './http.js';

const priceCents = 1250;

serve('cart', {
  'POST /checkout': async (request) => {
    const { items = 1 } = await readJson(request);
    const key = request.headers['idempotency-key'];
    if (!Number.isInteger(items) || items < 1 || items > 100)
      return { status: 400, body: { error: 'items: 1 to 100' } };
    if (key === undefined) return { status: 400, body: { error: 'an idempotency-key is needed' } };
    const charge = {
      method: 'POST',
      path: '/charge',
      headers: { 'idempotency-key': key },
      body: { cents: items * priceCents },
    };
    return { body: { items, ...(await ask('payments', charge, request)) } };
  },
});
