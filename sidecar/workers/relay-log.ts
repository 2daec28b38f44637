import type { Clock } from '../../lib/clock.ts';
import type { Fields, Level, Log } from '../../lib/log.ts';
import type { FromWorker, LogEntry } from './messages.ts';
import { Outbox } from './outbox.ts';

/** Entries held while the main thread is behind. */
const most = 1000;

/** The log of a worker thread, which the main thread writes: lines stay whole, and its level and fields are in force. */
export interface RelayLog extends Log {
  /** The batch under way has been written. */
  taken(): void;
  /** Hands over what is held, for at most a second. */
  close(): Promise<void>;
}

export function relayLog(post: (message: FromWorker) => void, clock: Clock): RelayLog {
  let lost = 0;
  const outbox = new Outbox<LogEntry>({
    send: (entries) => post({ kind: 'log', entries }),
    most,
    delayMs: 0,
    clock,
  });
  const emit = (level: Level, event: string, fields: Fields | undefined): void => {
    if (!outbox.add({ level, event, fields })) lost++;
  };
  return {
    ...logOf(emit, undefined),
    taken() {
      outbox.taken();
      if (lost > 0 && outbox.add({ level: 'warn', event: 'log lines dropped', fields: { dropped: lost } })) lost = 0;
    },
    close: () => outbox.close(),
  };
}

function logOf(
  emit: (level: Level, event: string, fields: Fields | undefined) => void,
  always: Fields | undefined,
): Log {
  const at =
    (level: Level) =>
    (event: string, more?: Fields): void =>
      emit(level, event, always === undefined ? more : { ...always, ...more });
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (fields) => logOf(emit, { ...always, ...fields }),
  };
}
