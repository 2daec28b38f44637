import { fileProblem, listenError } from './system-error.ts';

const thrown = (code: string, message: string): Error => Object.assign(new Error(message), { code });

test('what the system says of a file stands before what to do about it', () => {
  expect(fileProblem(thrown('ENOSPC', 'ENOSPC: no space left on device, write'))).toBe(
    'ENOSPC: no space left on device, write; the disk is full: make room on it',
  );
  expect(fileProblem(thrown('ENOENT', "ENOENT: no such file or directory, open '/run/secrets/t'"))).toMatch(
    /^ENOENT: .*'\/run\/secrets\/t'; there is no such file or folder/,
  );
});

test('other errors are left as they are', () => {
  expect(fileProblem(thrown('EIO', 'EIO: i/o error'))).toBe('EIO: i/o error');
  expect(fileProblem('thrown')).toBe('thrown');
});

test('a port that is taken is told with its address and a way out, and keeps its code', () => {
  const error = listenError('127.0.0.1:15006', thrown('EADDRINUSE', 'listen EADDRINUSE'));
  expect(error).toMatchObject({
    code: 'EADDRINUSE',
    message: 'cannot listen at 127.0.0.1:15006: it is taken: stop whoever listens there, or choose another address',
  });
  expect(listenError('a', thrown('EFOO', 'foo')).message).toBe('cannot listen at a: foo');
});
