import { join } from 'node:path';
import { startProgram } from '../harness/weft.ts';

// `npm run soak` does the same for ten minutes. On a busy machine restarts take long, and what is under way must end.
test('mixed traffic with restarts of both ends for 20 s loses nothing and leaves nothing behind', async () => {
  const running = startProgram(process.execPath, [join(import.meta.dirname, 'main.ts'), '--for', '20s']);
  try {
    const code = await running.ended;
    if (code !== 0) throw new Error(running.output());
  } finally {
    await running.end('SIGKILL');
  }
}, 220_000);
