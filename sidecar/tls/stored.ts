import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../lib/folder.ts';
import { fromPem } from '../../lib/svid.ts';
import type { Credentials } from './credentials.ts';
import { CredentialsError, makeCredentials } from './make-credentials.ts';

const fileOf = (stateDir: string): string => join(stateDir, 'identity.json');

/** Octets of the largest file that is read. */
const maxFile = 262_144;

/**
 * Puts key, certificate and roots into one file (0600) that is replaced whole, so that a crash at any moment leaves
 * either the old identity or the new one.
 */
export async function saveCredentials(stateDir: string, credentials: Credentials): Promise<void> {
  const { certPem, keyPem, rootsPem } = credentials;
  makeFolder(stateDir);
  const path = fileOf(stateDir);
  const next = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(next, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify({ certPem, keyPem, rootsPem }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, path);
    const folder = await open(stateDir, 'r');
    try {
      // The rename itself is durable only with its folder.
      await folder.sync();
    } finally {
      await folder.close();
    }
  } finally {
    await rm(next, { force: true });
  }
}

/**
 * The identity of an earlier run; undefined when there is none. Throws CredentialsError when there is one that must not
 * or cannot be used.
 */
export async function loadCredentials(stateDir: string, wall: number): Promise<Credentials | undefined> {
  const text = await readPrivate(fileOf(stateDir));
  if (text === undefined) return undefined;
  const { certPem, keyPem, rootsPem } = parseFile(text);
  return makeCredentials({ chain: fromPem(certPem), keyPem, roots: fromPem(rootsPem) }, wall);
}

async function readPrivate(path: string): Promise<string | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (thrown) {
    if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw thrown;
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0)
      throw new CredentialsError(`others may read ${path}, so its key is not secret: remove it and join again`);
    if (size > maxFile) throw new CredentialsError(`${path} is larger than an identity can be`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function parseFile(text: string): Record<'certPem' | 'keyPem' | 'rootsPem', string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // A message of the JSON parser would quote the file, and the file holds a key.
    throw new CredentialsError('the stored identity is damaged');
  }
  const { certPem, keyPem, rootsPem } = Object(parsed) as Record<string, unknown>;
  if (typeof certPem !== 'string' || typeof keyPem !== 'string' || typeof rootsPem !== 'string')
    throw new CredentialsError('the stored identity is incomplete');
  return { certPem, keyPem, rootsPem };
}
