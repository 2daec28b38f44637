export type Level = 'debug' | 'info' | 'warn' | 'error';
const order: Record<Level, number> = { debug: 10, info: 20, warn: 30, error: 40 };

/** Plain values only; JSON escapes whatever a peer put in them, so one event is always one line. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined | readonly string[]>>;

export interface Log {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** A log that adds these fields to each line. */
  with(fields: Fields): Log;
}

/** Lines of JSON: time, level, event, then the fields. `write` gets whole lines; standard error unless told otherwise. */
export function jsonLog(
  options: { level?: Level; write?: (line: string) => void; wall?: () => number; fields?: Fields } = {},
): Log {
  const {
    level = 'info',
    write = (line: string) => void process.stderr.write(line),
    wall = Date.now,
    fields = {},
  } = options;
  const min = order[level];
  const emit = (at: Level, event: string, more?: Fields): void => {
    if (order[at] < min) return;
    write(`${ascii(JSON.stringify({ time: new Date(wall()).toISOString(), level: at, event, ...fields, ...more }))}\n`);
  };
  return {
    debug: (event, more) => emit('debug', event, more),
    info: (event, more) => emit('info', event, more),
    warn: (event, more) => emit('warn', event, more),
    error: (event, more) => emit('error', event, more),
    with: (more) => jsonLog({ level, write, wall, fields: { ...fields, ...more } }),
  };
}

/** The same JSON in ASCII: what is left of controls beyond ASCII could still talk to a terminal. */
const ascii = (json: string): string =>
  json.replace(/[\x7f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Says nothing. For tests and for parts used as a library. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLog,
};
