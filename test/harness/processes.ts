import { readdirSync, readFileSync } from 'node:fs';

/** A process of this machine, as Linux shows it. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** All processes that run now and belong to this user. Zombies are left out: they are gone but for their entry. */
export function processes(): readonly Process[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // The program's own name, in parentheses, may hold anything.
      const [state, parent] = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (state === 'Z') return [];
      const words = (file: string): string[] => readFileSync(`/proc/${name}/${file}`, 'utf8').split('\0').slice(0, -1);
      const env = Object.fromEntries(words('environ').map((one) => one.split(/=(.*)/s, 2) as [string, string]));
      return [{ pid: Number(name), parent: Number(parent), argv: words('cmdline'), env }];
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return [];
      throw error;
    }
  });
}
