import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { makeFolder } from '../../lib/folder.ts';
import { exit, Failure } from '../failure.ts';
import { plain } from '../terminal.ts';
import type { Child, ChildEvents } from './child.ts';
import { type Guardian, startGuardian } from './guardian.ts';
import type { ListeningLine } from './listening.ts';
import { weftProgram } from './program.ts';

/** What the parts of a running mesh stand on: folders, environment, and an owner of every process. */
export interface Ground {
  /** The program `weft` itself. */
  readonly weft: string;
  readonly env: NodeJS.ProcessEnv;
  readonly guardian: Guardian;
  /** Flags of every sidecar. */
  readonly sidecarFlags: readonly string[];
  readonly logs: string;
  /** The state is removed at the end. */
  readonly temporary: boolean;
  /** The path of a folder of the state; it exists. */
  folder(name: string): string;
  logFile(name: string): string;
  /** Events of one child; a death before it listens fails the start. */
  events(name: string, listening?: ListeningLine): ChildEvents;
  /** Makes sure that it is stopped at the end; those with `last` after all others. */
  own(child: Child, last?: 'last'): void;
  /** Stops everything. Removes a state that was only temporary. */
  close(): Promise<void>;
}

const graceMs = 5000;
const maxLastLines = 10;

/** `state`: undefined for a temporary folder. */
export function startGround(state: string | undefined, env: NodeJS.ProcessEnv, events: ChildEvents): Ground {
  const root = state === undefined ? mkdtempSync(join(tmpdir(), 'weft-up-')) : resolve(state);
  const folder = (name: string): string => {
    const path = join(root, name);
    try {
      makeFolder(path);
    } catch (error) {
      throw new Failure(exit.usage, `--state: there can be no folder ${path}: ${messageOf(error)}`);
    }
    return path;
  };
  const logs = folder('logs');
  const logFile = (name: string): string => join(logs, `${name}.log`);
  const guardian = startGuardian();
  const first: Child[] = [];
  const last: Child[] = [];
  let closing: Promise<void> | undefined;

  const stopAll = async (): Promise<void> => {
    await Promise.all(first.map((child) => child.stop(graceMs)));
    await Promise.all(last.map((child) => child.stop(graceMs)));
    await guardian.close();
    if (state === undefined) rmSync(root, { recursive: true, force: true });
  };

  return {
    weft: weftProgram(),
    env: withoutSettings(env),
    guardian,
    sidecarFlags: [
      // Nobody outside sends to these sidecars, so there is little to wait for when they leave.
      ...['--drain-delay', '200ms', '--drain-time', '3s'],
      ...(env.OTEL_EXPORTER_OTLP_ENDPOINT ? ['--trace-sample', '1'] : []),
    ],
    logs,
    temporary: state === undefined,
    folder,
    logFile,
    events: (name, listening) => ({
      ...events,
      onDeath(who, how, restartMs) {
        listening?.fail(`${name} ${how} before it listened:\n${lastWords(logFile(name))}`);
        events.onDeath(who, how, restartMs);
      },
    }),
    own(child, when) {
      (when === 'last' ? last : first).push(child);
      // It was on its way when the end came.
      if (closing !== undefined) closing = Promise.all([closing, child.stop(graceMs)]).then(() => undefined);
    },
    close() {
      closing ??= stopAll();
      return closing;
    },
  };
}

/** What a process said last; the log itself may be gone when somebody wants to look. */
function lastWords(file: string): string {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-maxLastLines);
  // Without the time that each line begins with, and without our own.
  const said = lines.map((line) => line.replace(/^\S+ /, '')).filter((line) => !line.startsWith('[weft up]'));
  return said.length === 0 ? '  it said nothing' : said.map((line) => `  ${plain(line)}`).join('\n');
}

const kept = /^WEFT_(?:NODE|LOG_LEVEL|ACCESS_LOG|CA_KEY_FILE|CONSUL_TOKEN_FILE)$/;

/** Settings of one daemon in the environment would be settings of all of them: only those stay that mean the same to each. */
const withoutSettings = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('WEFT_') || kept.test(name)));
