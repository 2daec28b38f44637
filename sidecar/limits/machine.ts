import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import type { Limits } from './limits.ts';

/** For listeners, the admin port, the control plane, logs, and what Node itself has open. */
const OTHER_FILES = 64;
/** Kept for the connections that requests of callers need. */
const UPSTREAM_SHARE = 1 / 4;

/** The limits, as far as this machine or container holds them, for each of so many threads. */
export function limitsHere(limits: Limits, threads = 1): Limits {
  const files = Math.max(4, openFileLimit() - OTHER_FILES) / threads;
  const constrained = process.constrainedMemory();
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return Object.freeze({
    ...limits,
    files,
    filesForCallers: files * (1 - UPSTREAM_SHARE),
    memory: Math.floor(memory / threads),
  });
}

/**
 * How many files this process may have open (RLIMIT_NOFILE); Infinity where there is no telling. Node has raised it as far
 * as it may go.
 */
function openFileLimit(): number {
  let text = '';
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    // Not every system has it. There the system refuses in our place, only later.
    return Number.POSITIVE_INFINITY;
  }
  const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}
