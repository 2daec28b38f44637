// The shop window: GET / checks out a cart and shows the receipt, as a page to browsers and as JSON to everyone else.
import { randomUUID } from 'node:crypto';
import { ask, serve } from './http.js';

const escapeHtml = (text) => String(text).replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);

serve('web', {
  'GET /': async (request) => {
    // One key for the whole order: however often a part of it is tried, it is paid once.
    const headers = { 'idempotency-key': request.headers['idempotency-key'] ?? randomUUID() };
    const receipt = await ask('cart', { method: 'POST', path: '/checkout', headers, body: { items: 3 } }, request);
    if (!(request.headers.accept ?? '').includes('text/html')) return { body: receipt };
    const rows = Object.entries(receipt).map(([name, value]) => `<tr><th>${escapeHtml(name)}<td>${escapeHtml(value)}`);
    return {
      type: 'text/html',
      body: `<!doctype html><title>Shop</title><h1>Thank you</h1><table>${rows.join('')}</table>\n`,
    };
  },
});
