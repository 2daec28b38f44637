import { spawn } from 'node:child_process';

/**
 * Ends process groups when this process is gone, however it went: kill -9 of `weft up` leaves nothing behind. A small
 * shell holds the other end of a pipe that the system closes with us, so programs written in anything need not know.
 */
export interface Guardian {
  watch(group: number): void;
  forget(group: number): void;
  /** Ends the guardian; it ends first whatever it still watches. */
  close(): Promise<void>;
}

const script = `
trap '' INT TERM HUP
groups=
while read -r what id; do
  if [ "$what" = + ]; then groups="$groups $id"; continue; fi
  left=
  for one in $groups; do [ "$one" = "$id" ] || left="$left $one"; done
  groups=$left
done
[ -n "$groups" ] || exit 0
for one in $groups; do kill -s TERM -- "-$one"; done
n=0
while [ $n -lt 30 ]; do
  alive=
  for one in $groups; do kill -s 0 -- "-$one" && alive=1; done
  [ -n "$alive" ] || exit 0
  sleep 0.1
  n=$((n + 1))
done
for one in $groups; do kill -s KILL -- "-$one"; done
`;

export function startGuardian(): Guardian {
  // Detached: a Ctrl-C of the terminal, which goes to the whole foreground group, must not reach it.
  const shell = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const ended = new Promise<void>((resolve) => {
    shell.once('exit', () => resolve());
    shell.once('error', () => resolve());
  });
  // Without it everything still ends in order; only an unexpected death of ours would leave processes behind.
  shell.stdin.on('error', () => {});
  shell.unref();
  return {
    watch: (group) => void shell.stdin.write(`+ ${group}\n`),
    forget: (group) => void shell.stdin.write(`- ${group}\n`),
    async close() {
      shell.ref();
      shell.stdin.end();
      await ended;
    },
  };
}
