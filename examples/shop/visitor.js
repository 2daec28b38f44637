// A visitor, so that there is something to see: asks for the shop's page VISITS times a second (2) and counts what came of it.
import { ask, serve } from './http.js';

const counts = { visits: 0, failures: 0 };

serve('visitor', { 'GET /': async () => ({ body: counts }) });

setInterval(
  async () => {
    try {
      await ask('web', {}, { headers: {} });
    } catch (error) {
      counts.failures++;
      console.error(`visitor: ${error.message}`);
    }
    counts.visits++;
  },
  1000 / Number(process.env.VISITS ?? 2),
).unref();
