import { userInfo } from 'node:os';

/** Who is said to have made a change: WEFT_AUTHOR, or the user of this machine. '' where there is none. */
export function author(): string {
  const given = process.env.WEFT_AUTHOR;
  if (given) return given.slice(0, 200);
  try {
    return userInfo().username;
  } catch (error) {
    // In a container, a user id may have no name.
    if ((error as NodeJS.ErrnoException).syscall === 'uv_os_get_passwd') return '';
    throw error;
  }
}
