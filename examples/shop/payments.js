// Payments: charges once for each idempotency-key, however often it is asked.
import { randomUUID } from 'node:crypto';
import { readJson, serve } from './http.js';

const paid = new Map();
const remembered = 10_000;
const instance = process.env.WEFT_INSTANCE ?? `payments-${process.pid}`;

serve('payments', {
  'POST /charge': async (request) => {
    const { cents } = await readJson(request);
    const key = request.headers['idempotency-key'];
    if (!Number.isInteger(cents) || cents < 1)
      return { status: 400, body: { error: 'cents: a whole number from 1 on' } };
    if (key === undefined) return { status: 400, body: { error: 'an idempotency-key is needed' } };
    if (!paid.has(key)) {
      paid.set(key, { cents, payment: randomUUID(), paidBy: instance });
      if (paid.size > remembered) paid.delete(paid.keys().next().value);
    }
    return { body: paid.get(key) };
  },
});
