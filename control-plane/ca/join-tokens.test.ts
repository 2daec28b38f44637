import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type ManualClock, manualClock } from '../../lib/clock.ts';
import { jsonLog, silentLog } from '../../lib/log.ts';
import { keyHash } from '../../lib/svid.ts';
import { makeRoot } from '../../test/harness/certs.ts';
import { openEmbeddedStore } from '../store/embedded.ts';
import type { Store } from '../store/store.ts';
import { type OpenJoinTokens, openJoinTokens } from './join-tokens.ts';

const b = { trustDomain: 'weft.test', namespace: 'a', service: 'b' };
const minute = 60_000;
let dir: string;
let store: Store;
let clock: ManualClock;
let lines: Record<string, unknown>[];
let root: Uint8Array;
let tokens: OpenJoinTokens;

beforeAll(async () => {
  root = (await makeRoot()).der;
});
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-tokens-'));
  clock = manualClock();
  lines = [];
  store = await openEmbeddedStore({ dir, clock, log: silentLog });
  tokens = await openTokens();
});
afterEach(async () => {
  await tokens.close();
  await store.close();
  await rm(dir, { recursive: true });
});
const openTokens = (maxLive?: number) =>
  openJoinTokens({
    vault: store.vault,
    authority: { trustDomain: 'weft.test', roots: () => [root] },
    clock,
    log: jsonLog({ write: (line) => void lines.push(JSON.parse(line)) }),
    ...(maxLive === undefined ? {} : { maxLive }),
  });
const refusal = (token: string, from = '10.0.0.1') =>
  tokens.consume(token, from).then(
    () => 'let in',
    (thrown: { code: string }) => thrown.code,
  );

test('a token is for one identity, once, and says which root to expect', async () => {
  const { token, expires } = await tokens.create(b, 5 * minute);
  expect(expires).toBe(clock.wall() + 5 * minute);
  expect(token.split('.')[2]).toBe(keyHash(root).toString('base64url'));
  expect(await tokens.consume(token, '10.0.0.1')).toEqual(b);
  expect(await refusal(token)).toBe('UNAUTHENTICATED');
  expect(lines.at(-1)).toMatchObject({ event: 'ca.token-refused', problem: 'used before', from: '10.0.0.1' });
});

test('CA-REPLAY-TOKEN: of ten that try at once one gets through, also over two control planes', async () => {
  const second = await openTokens();
  const { token } = await tokens.create(b, minute);
  const tries = Array.from({ length: 10 }, (_, i) =>
    (i % 2 === 0 ? tokens : second).consume(token, `10.0.0.${i}`).then(
      () => true,
      () => false,
    ),
  );
  expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
  await second.close();
});

test('CA-TOKEN-EXPIRED: a token lives ten minutes at most and is removed after it', async () => {
  const { token, expires } = await tokens.create(b, 3_600_000);
  expect(expires).toBe(clock.wall() + 10 * minute);
  // Not by a clean-up: with its time just over, the entry is still there.
  clock.advance(10 * minute);
  expect(await refusal(token)).toBe('UNAUTHENTICATED');
  expect(lines.at(-1)).toMatchObject({ problem: 'expired', spiffeId: 'spiffe://weft.test/ns/a/sa/b' });
  await tokens.create(b, minute);
  clock.advance(2 * minute);
  await tokens.close();
  tokens = await openTokens();
  expect(await store.vault.list('join-tokens/')).toEqual([]);
});

test('the store has only the hash, and the log has neither', async () => {
  const { token } = await tokens.create(b, minute);
  const secret = Buffer.from(token.split('.')[1]!, 'base64url');
  expect(secret.length).toBe(32);
  const [key] = await store.vault.list('join-tokens/');
  expect(key).toBe(`join-tokens/${createHash('sha256').update(secret).digest('hex')}`);
  const value = Buffer.from((await store.vault.get(key!))!.value).toString('latin1');
  await tokens.consume(token, '10.0.0.1');
  await refusal(token);
  for (const said of [value, JSON.stringify(lines)]) {
    expect(said).not.toContain(token.split('.')[1]);
    expect(said).not.toContain(secret.toString('hex'));
  }
});

test('CA-TOKEN-GUESS: an address that guesses is stopped, the others are not', async () => {
  const guess = () => `weft1.${randomBytes(32).toString('base64url')}.${randomBytes(32).toString('base64url')}`;
  const codes: string[] = [];
  for (let i = 0; i < 30; i++) codes.push(await refusal(guess()));
  expect(codes.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(20);
  expect(codes.at(-1)).toBe('RATE_LIMITED');
  const { token } = await tokens.create(b, minute);
  expect(await refusal(token)).toBe('RATE_LIMITED');
  expect(await refusal(token, '10.0.0.2')).toBe('let in');
  clock.advance(1000);
  expect(await refusal(guess())).toBe('UNAUTHENTICATED');
});

test('those that join rightly are never slowed down', async () => {
  for (let i = 0; i < 50; i++) expect(await refusal((await tokens.create(b, minute)).token)).toBe('let in');
});

test('any text is refused without harm', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 300, unit: 'binary' }), async (text) => {
      clock.advance(2000);
      expect(await refusal(text, text)).toBe('UNAUTHENTICATED');
      expect(await refusal(`weft1.${text}`, text)).toBe('UNAUTHENTICATED');
    }),
    { numRuns: 100 },
  );
});

test('nobody gets a token for the control plane, another trust domain or a name that is none', async () => {
  for (const wrong of [
    { namespace: 'weft', service: 'control-plane' },
    { trustDomain: 'other' },
    { service: 'B/../c' },
  ])
    await expect(tokens.create({ ...b, ...wrong }, minute)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  await expect(tokens.create(b, 0)).rejects.toThrow('time to live');
});

test('tokens that wait are bounded', async () => {
  await tokens.close();
  tokens = await openTokens(3);
  for (let i = 0; i < 3; i++) await tokens.create(b, minute);
  await expect(tokens.create(b, minute)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  clock.advance(minute);
  await tokens.create(b, minute);
});

test('a store that is away is told apart from a wrong token', async () => {
  const away = { ...store.vault, get: () => Promise.reject(new Error('away')), list: async () => [] };
  const lame = await openJoinTokens({
    vault: away,
    authority: { trustDomain: 'weft.test', roots: () => [root] },
    clock,
    log: silentLog,
  });
  const { token } = await tokens.create(b, minute);
  await expect(lame.consume(token, '10.0.0.1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await lame.close();
});
