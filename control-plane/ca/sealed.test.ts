import { Sealers } from './sealed.ts';

const sealers = new Sealers(Buffer.from('a secret of the test, long enough'));
const salt = Buffer.alloc(16, 7);
const plain = Buffer.from('a private key');

test('what was sealed opens with the same secret, salt and label, and with no others', async () => {
  const sealer = await sealers.of(salt);
  const sealed = sealer.seal(plain, 'root');
  expect(Buffer.from(sealer.open(sealed, 'root'))).toEqual(plain);
  expect(() => sealer.open(sealed, 'issuer')).toThrow();
  const others = [sealers.of(sealers.newSalt), new Sealers(Buffer.from('another secret, long enough')).of(salt)];
  for (const other of await Promise.all(others)) expect(() => other.open(sealed, 'root')).toThrow();
  const changed = Buffer.from(sealed);
  changed[changed.length - 1]! ^= 1;
  expect(() => sealer.open(changed, 'root')).toThrow();
});

test('it is derived once, also for those who ask before it is there', async () => {
  const own = new Sealers(Buffer.from('a secret of the test, long enough'));
  const [one, two] = await Promise.all([own.of(salt), own.of(Buffer.from(salt))]);
  expect(one).toBe(two);
  expect(await own.of(salt)).toBe(one);
});

test('a derivation that failed is not remembered', async () => {
  const own = new Sealers(Buffer.from('a secret of the test, long enough'));
  const bad = [1, 2, 3] as unknown as Uint8Array;
  const first = own.of(bad);
  await expect(first).rejects.toThrow();
  const second = own.of(bad);
  expect(second).not.toBe(first);
  await expect(second).rejects.toThrow();
});
