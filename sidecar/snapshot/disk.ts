import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { makeFolder } from '../../lib/folder.ts';
import type { Log } from '../../lib/log.ts';
import { fileProblem } from '../../lib/system-error.ts';
import { keyText } from '../../policies/resource.ts';
import type { EndpointSpec, HeldResource, Inputs } from './inputs.ts';

/** What a sidecar needs to go on where it was. */
export interface Saved {
  readonly inputs: Inputs;
  /** Services that it was subscribed to, as `namespace/name`. */
  readonly subscriptions: readonly string[];
}

/** The last good inputs in a file. */
export interface Disk {
  /** What was saved last; undefined when there is nothing that can be trusted (the log says why). Never throws. */
  load(): Promise<Saved | undefined>;
  /** Writes soon; what is saved meanwhile takes its place. A write that fails is logged, and the old file stays whole. */
  save(saved: Saved): void;
  /** Writes what has not been written. */
  close(): Promise<void>;
}

export interface DiskOptions {
  readonly file: string;
  /** SPIFFE ID of this sidecar: another's file is ignored. */
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Raised when the meaning of the file changes; a file with another is ignored. */
const schema = 1;
/** A write waits this long for more to come, and this long after the one before, in ms. Encoding blocks the data path. */
const quietMs = 500;
const intervalMs = 5000;
const lastRetryMs = 300_000;
const mostBytes = 64 * 1024 * 1024;

interface Header {
  readonly schema: number;
  readonly owner: string;
  readonly checksum: string;
}
interface Body {
  readonly revision: number;
  readonly resources: readonly HeldResource[];
  readonly endpoints: readonly (readonly [service: string, endpoints: readonly EndpointSpec[]])[];
  /** Absent: written by a version that knew of none. */
  readonly addresses?: readonly (readonly [service: string, address: string])[];
  readonly absent: readonly string[];
  readonly subscriptions: readonly string[];
}

/** Opens nothing yet: the file is read by `load` and written after `save`. */
export function openDisk({ file, owner, clock, log }: DiskOptions): Disk {
  let waiting: Saved | undefined;
  let cancel: (() => void) | undefined;
  let writing: Promise<void> = Promise.resolve();
  let lastMs = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let closed = false;

  const flush = async (): Promise<void> => {
    const saved = waiting;
    if (saved === undefined) return;
    waiting = undefined;
    lastMs = clock.now();
    try {
      await write(file, encode(saved, owner));
      failures = 0;
    } catch (thrown) {
      const retryMs = Math.min(lastRetryMs, intervalMs * 2 ** failures);
      failures = Math.min(failures + 1, 16);
      log.warn('disk.write-failed', { file, problem: fileProblem(thrown), retryMs });
      if (closed) return;
      // What came meanwhile is newer, and has its own time.
      waiting ??= saved;
      cancel ??= clock.after(retryMs, start);
    }
  };
  const start = (): void => {
    cancel?.();
    cancel = undefined;
    writing = writing.then(flush);
  };

  return {
    async load() {
      try {
        const info = await stat(file);
        if ((info.mode & 0o022) !== 0) throw new Error('others may write to it');
        if (info.size > mostBytes) throw new Error(`it has more than ${mostBytes} octets`);
        return decode(await readFile(file), owner);
      } catch (thrown) {
        if (isMissing(thrown)) return undefined;
        log.warn('disk.ignored', { file, problem: messageOf(thrown) });
        return undefined;
      }
    },
    save(saved) {
      waiting = saved;
      cancel ??= clock.after(Math.max(quietMs, lastMs + intervalMs - clock.now()), start);
    },
    async close() {
      closed = true;
      start();
      await writing;
    },
  };
}

/** A reader sees the old file or the new one, whole, whatever happens in between. */
async function write(file: string, bytes: Buffer): Promise<void> {
  makeFolder(dirname(file));
  const temporary = `${file}.tmp`;
  await sync(await open(temporary, 'w', 0o600), (handle) => handle.writeFile(bytes));
  await rename(temporary, file);
  await sync(await open(dirname(file), 'r'));
}

async function sync(handle: FileHandle, fill?: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    await fill?.(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** One line about the rest, then the rest. */
function encode({ inputs, subscriptions }: Saved, owner: string): Buffer {
  const body: Body = {
    revision: inputs.revision,
    resources: [...inputs.resources.values()],
    endpoints: [...inputs.endpoints].map(([service, byId]) => [service, [...byId.values()]]),
    addresses: [...inputs.addresses],
    absent: [...inputs.absent],
    subscriptions,
  };
  const bytes = Buffer.from(JSON.stringify(body));
  const header: Header = { schema, owner, checksum: checksumOf(bytes) };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), bytes]);
}

/** Throws an Error that says what is wrong. Behind the checksum, the body is what `encode` of this schema wrote. */
function decode(bytes: Buffer, owner: string): Saved {
  const end = bytes.indexOf(0x0a);
  if (end < 0) throw new Error('it is cut off');
  const header: unknown = JSON.parse(bytes.subarray(0, end).toString());
  if (!isHeader(header)) throw new Error('its first line is not ours');
  if (header.schema !== schema) throw new Error(`its schema is ${header.schema}, this version reads ${schema}`);
  if (header.owner !== owner) throw new Error(`it belongs to ${header.owner}`);
  const rest = bytes.subarray(end + 1);
  if (checksumOf(rest) !== header.checksum) throw new Error('its checksum is wrong');
  const body = JSON.parse(rest.toString()) as Body;
  return {
    inputs: {
      revision: body.revision,
      resources: new Map(body.resources.map((resource) => [keyText(resource.key), resource])),
      endpoints: new Map(body.endpoints.map(([service, list]) => [service, new Map(list.map((one) => [one.id, one]))])),
      addresses: new Map(body.addresses),
      absent: new Set(body.absent),
    },
    subscriptions: body.subscriptions,
  };
}

const checksumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function isHeader(value: unknown): value is Header {
  if (typeof value !== 'object' || value === null) return false;
  const { schema, owner, checksum } = value as Partial<Header>;
  return typeof schema === 'number' && typeof owner === 'string' && typeof checksum === 'string';
}

const isMissing = (thrown: unknown): boolean =>
  typeof thrown === 'object' && thrown !== null && 'code' in thrown && thrown.code === 'ENOENT';
