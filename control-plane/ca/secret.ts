import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../lib/folder.ts';

/** Octets that a secret must have at least. */
const minSecret = 16;

/** The secret that the CA's keys are encrypted with cannot be used. The message says what to do. */
class SecretError extends Error {
  override readonly name = 'SecretError';
}

/**
 * The secret that protects the CA's keys at rest: from `file` when it is given, else from `ca.key` in `stateDir`, which
 * is made (0600) when it is not there. Several control planes on one store need the same file. Throws SecretError when
 * anyone but the owner may read it.
 */
export async function loadSecret(where: { readonly stateDir: string; readonly file?: string }): Promise<Uint8Array> {
  if (where.file !== undefined) return readSecret(where.file);
  const path = join(where.stateDir, 'ca.key');
  if (!existsSync(path)) await createSecret(where.stateDir, path);
  return readSecret(path);
}

/** Does nothing when there is one. Whole or not there at all, also when two processes start at once. */
async function createSecret(stateDir: string, path: string): Promise<void> {
  const own = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    makeFolder(stateDir);
    const file = await open(own, 'wx', 0o600);
    try {
      await file.writeFile(`${randomBytes(32).toString('base64url')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike rename, link does not replace what another process has put there.
    await link(own, path);
  } catch (thrown) {
    if (codeOf(thrown) !== 'EEXIST')
      throw new SecretError(`cannot write the CA key file ${path} (${codeOf(thrown)}): check the state directory`);
  } finally {
    await rm(own, { force: true });
  }
}

async function readSecret(path: string): Promise<Uint8Array> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    // Checked on the open file, not on the path, which could be another one by the time it is read.
    file = await open(path, constants.O_RDONLY);
  } catch (thrown) {
    throw new SecretError(`cannot read the CA key file ${path} (${codeOf(thrown)}): does it exist and is it yours?`);
  }
  try {
    const { mode } = await file.stat();
    if ((mode & 0o077) !== 0)
      throw new SecretError(`others may read the CA key file ${path}: run chmod 600 ${path}, then start again`);
    const secret = Buffer.from((await file.readFile('latin1')).trim(), 'latin1');
    if (secret.length < minSecret)
      throw new SecretError(
        `the CA key file ${path} has fewer than ${minSecret} characters: put a long random text in it`,
      );
    return secret;
  } finally {
    await file.close();
  }
}

const codeOf = (thrown: unknown): string =>
  typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : String(thrown);
