import { messageOf } from './errors.ts';

const fileAdvice: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room on it',
  EDQUOT: 'the quota of this user is used up: make room',
  EFBIG: 'this process may not write files of that size: raise the limit (ulimit -f)',
  EROFS: 'the file system is read-only: mount one there that can be written, or give another path',
  EACCES: 'this user may not: mend the permissions, or give another path',
  EPERM: 'this user may not: mend the owner and the permissions, or give another path',
  ENOENT: 'there is no such file or folder: check the path, and that it is mounted',
  ENOTDIR: 'there is a file in the place of a folder: give another path',
  EISDIR: 'there is a folder in the place of a file: give another path',
};

/** What went wrong with a file or folder, and what to do about it. */
export function fileProblem(thrown: unknown): string {
  const advice = fileAdvice[codeOf(thrown)];
  return advice === undefined ? messageOf(thrown) : `${messageOf(thrown)}; ${advice}`;
}

const listenAdvice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is taken: stop whoever listens there, or choose another address',
  EACCES: 'this user may not: choose another address',
  EADDRNOTAVAIL: 'it is not an address of this machine',
};

/** An error for people of one that listening at `place` has thrown, with the same code. */
export function listenError(place: string, thrown: unknown): Error {
  const code = codeOf(thrown);
  const text = `cannot listen at ${place}: ${listenAdvice[code] ?? messageOf(thrown)}`;
  return Object.assign(new Error(text, { cause: thrown }), { code });
}

const codeOf = (thrown: unknown): string =>
  typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : '';
