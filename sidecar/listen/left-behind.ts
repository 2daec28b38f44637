import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';

/** Makes room at a path to listen at: takes away the socket that a process left which was killed, and nothing else. */
export async function removeLeftBehind(path: string): Promise<void> {
  if (await isLeftBehind(path)) unlinkSync(path);
}

/** One that is answered belongs to somebody, and so does any other file. */
function isLeftBehind(path: string): boolean | Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}
