import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSecret } from './secret.ts';

let stateDir: string;
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'weft-secret-'));
});
afterEach(() => rm(stateDir, { recursive: true }));

test('a key file is made once, for the owner alone', async () => {
  const [one, two] = await Promise.all([loadSecret({ stateDir }), loadSecret({ stateDir })]);
  expect(one.length).toBeGreaterThanOrEqual(32);
  expect(two).toEqual(one);
  expect(await loadSecret({ stateDir })).toEqual(one);
  expect((await stat(join(stateDir, 'ca.key'))).mode & 0o777).toBe(0o600);
});

test('MTLS-KEYFILE: a key file that others may read is refused', async () => {
  await loadSecret({ stateDir });
  for (const mode of [0o644, 0o640, 0o604]) {
    await chmod(join(stateDir, 'ca.key'), mode);
    await expect(loadSecret({ stateDir })).rejects.toThrow(/others may read the CA key file .* chmod 600/);
  }
});

test('a given file must be there and hold enough', async () => {
  const file = join(stateDir, 'mine');
  await expect(loadSecret({ stateDir, file })).rejects.toThrow('cannot read the CA key file');
  await writeFile(file, 'short\n', { mode: 0o600 });
  await expect(loadSecret({ stateDir, file })).rejects.toThrow('fewer than 16 characters');
  await writeFile(file, 'a long enough secret\n', { mode: 0o600 });
  expect(Buffer.from(await loadSecret({ stateDir, file })).toString()).toBe('a long enough secret');
});
