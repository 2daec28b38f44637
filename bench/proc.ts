// What Linux says about a process: CPU time and memory. https://man7.org/linux/man-pages/man5/proc.5.html
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** Microseconds of CPU time since the process began, all threads, and children that have ended. */
export interface CpuTime {
  readonly userUs: number;
  readonly sysUs: number;
}

/** Mebibytes (2^20 bytes), as `ps`, `top` and Kubernetes count. `anon` is what one more such process adds to a machine; the rest of RSS is mostly shared files. */
export interface Memory {
  readonly rssMib: number;
  readonly anonMib: number;
}

/** USER_HZ, the unit of /proc/PID/stat: 100 on every architecture that Weft runs on. */
const tickUs = 10_000;

/** Reads /proc/PID/stat. The command may hold spaces and parentheses, so fields count from its last parenthesis. */
export function parseStat(stat: string): CpuTime {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number);
  const userUs = (utime! + cutime!) * tickUs;
  const sysUs = (stime! + cstime!) * tickUs;
  if (!Number.isFinite(userUs + sysUs)) throw new Error(`not a /proc/PID/stat line: ${stat.slice(0, 80)}`);
  return { userUs, sysUs };
}

/** A size that Linux gives as `Name:  123 kB`, in mebibytes. */
function mebibytes(text: string, field: string, file: string): number {
  const found = new RegExp(`^${field}:\\s+([0-9]+) kB$`, 'm').exec(text);
  if (found === null) throw new Error(`no ${field} in ${file}`);
  return Number(found[1]) / 1024;
}

/** Reads /proc/PID/smaps_rollup, which is exact where the counters of /proc/PID/status lag behind. */
export function parseSmapsRollup(text: string): Memory {
  const read = (field: string): number => mebibytes(text, field, 'smaps_rollup');
  return { rssMib: read('Rss'), anonMib: read('Anonymous') };
}

/** Makes the memory that a process has now the most that it has had. */
export const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** The most memory (RSS) that a process has had since `forgetPeak`, in MiB. */
export const peakMib = (pid: number): number =>
  mebibytes(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmHWM', 'status');

/** How many files a process may open that this one starts. */
export function fileLimit(): number {
  const found = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return found === null ? Number.POSITIVE_INFINITY : Number(found[1]);
}

/** The process and all that descend from it. */
function processTree(pid: number): readonly number[] {
  const found = [pid];
  for (const parent of found)
    for (const thread of readdirSync(`/proc/${parent}/task`))
      found.push(
        ...readFileSync(`/proc/${parent}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
      );
  return found;
}

/** The sum over the given processes and their descendants. Throws when one has ended. */
export function cpuTime(pids: readonly number[]): CpuTime {
  const all = pids.flatMap(processTree).map((pid) => parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8')));
  return {
    userUs: all.reduce((sum, one) => sum + one.userUs, 0),
    sysUs: all.reduce((sum, one) => sum + one.sysUs, 0),
  };
}

/** The sum over the given processes and their descendants. Throws when one has ended. */
export function memory(pids: readonly number[]): Memory {
  const all = pids
    .flatMap(processTree)
    .map((pid) => parseSmapsRollup(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')));
  return {
    rssMib: all.reduce((sum, one) => sum + one.rssMib, 0),
    anonMib: all.reduce((sum, one) => sum + one.anonMib, 0),
  };
}
