import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { ask } from '../harness/load.ts';
import type { Part } from './rig.ts';

/** What a sidecar holds at one moment, after its garbage has been collected. */
export interface Held {
  readonly sockets: number;
  /** Connections, as the sidecar sees them. */
  readonly wires: number;
  /** HTTP/2 connections. */
  readonly sessions: number;
  /** Under way. */
  readonly exchanges: number;
  /** Of HTTP/2, open. */
  readonly streams: number;
  /** What waits for a deadline in the sweep. */
  readonly watched: number;
  /** Timers and the like, as Node counts them. */
  readonly timers: number;
  readonly inFlight: number;
  readonly heapMB: number;
  readonly outsideMB: number;
  readonly rssMB: number;
}

const root = join(import.meta.dirname, '..', '..');
/** Of which class what is counted, and how: prototypes and objects that wait for their next use are among its objects. */
const counted: Readonly<Record<string, readonly [file: string, name: string, count: string]>> = {
  wires: ['sidecar/net/wire.ts', 'Wire', 'this.length'],
  exchanges: ['sidecar/http/exchange.ts', 'HttpExchange', "this.filter((one) => one.zone !== 'over').length"],
  sessions: ['sidecar/http/h2/session.ts', 'Session', "this.filter((one) => Object.hasOwn(one, 'streams')).length"],
  streams: ['sidecar/http/h2/session.ts', 'Session', 'this.reduce((sum, one) => sum + (one.streams?.size ?? 0), 0)'],
};

interface Remote {
  readonly objectId?: string;
  readonly value?: unknown;
}

/** The inspector protocol of one process, for a moment. */
class Inspector {
  readonly #socket: WebSocket;
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await once(socket, 'open');
    return new Inspector(socket);
  }

  async ask<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    for (;;) {
      const [text] = (await once(this.#socket, 'message')) as [Buffer];
      const { id: other, result, error } = JSON.parse(text.toString()) as { id?: number; result?: T; error?: unknown };
      if (other !== id) continue;
      if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
      return result!;
    }
  }

  async evaluate(expression: string, byValue = true): Promise<Remote> {
    const { result, exceptionDetails } = await this.ask<{ result: Remote; exceptionDetails?: object }>(
      'Runtime.evaluate',
      { expression, returnByValue: byValue, includeCommandLineAPI: true },
    );
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result;
  }

  /** All living objects of a class; the module that has it is loaded by the process anyway. */
  async objects(file: string, name: string): Promise<string> {
    const prototype = await this.evaluate(`require(${JSON.stringify(join(root, file))}).${name}.prototype`, false);
    const { objects } = await this.ask<{ objects: Remote }>('Runtime.queryObjects', {
      prototypeObjectId: prototype.objectId,
    });
    return objects.objectId!;
  }

  async count(file: string, name: string, count: string): Promise<number> {
    const { result } = await this.ask<{ result: Remote }>('Runtime.callFunctionOn', {
      objectId: await this.objects(file, name),
      functionDeclaration: `function () { return ${count}; }`,
      returnByValue: true,
    });
    return result.value as number;
  }

  /** Length of the list of deadlines, which is the loop's own. */
  async watched(): Promise<number> {
    const list = await this.objects('sidecar/net/loop.ts', 'Loop');
    const { result: loop } = await this.ask<{ result: Remote }>('Runtime.callFunctionOn', {
      objectId: list,
      functionDeclaration: 'function () { return this[0]; }',
    });
    const { privateProperties } = await this.ask<{ privateProperties: { name: string; value: Remote }[] }>(
      'Runtime.getProperties',
      { objectId: loop.objectId, ownProperties: true },
    );
    const { value } = privateProperties.find(({ name }) => name === '#watched')!;
    const { result } = await this.ask<{ result: Remote }>('Runtime.callFunctionOn', {
      objectId: value.objectId,
      functionDeclaration: 'function () { return this.length; }',
      returnByValue: true,
    });
    return result.value as number;
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}

function socketsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith('socket:');
    } catch (error) {
      // It has been closed since.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }).length;
}

const MB = 1024 * 1024;
const round = (octets: number): number => Math.round((octets / MB) * 10) / 10;

/** Collects the garbage of a sidecar and counts what is left. */
export async function held({ running, inspector: url, admin }: Part): Promise<Held> {
  const pid = running.child.pid!;
  const inspector = await Inspector.open(url);
  try {
    const counts: Record<string, number> = {};
    for (const [what, [file, name, count]] of Object.entries(counted))
      counts[what] = await inspector.count(file, name, count);
    const watched = await inspector.watched();
    await inspector.ask('HeapProfiler.collectGarbage');
    const { value } = await inspector.evaluate('process.memoryUsage()');
    const { value: resources } = await inspector.evaluate('process.getActiveResourcesInfo()');
    const memory = value as NodeJS.MemoryUsage;
    const { body: metrics } = await ask({ at: admin, host: admin, path: '/metrics' });
    const inFlight = [...metrics.matchAll(/^weft_requests_in_flight\{.*\} (\d+)$/gm)];
    const rss = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
    return {
      // Without the one that asks.
      sockets: socketsOf(pid) - 1,
      wires: counts.wires!,
      sessions: counts.sessions!,
      exchanges: counts.exchanges!,
      streams: counts.streams!,
      watched,
      timers: (resources as string[]).filter((name) => name === 'Timeout').length,
      inFlight: inFlight.reduce((sum, [, count]) => sum + Number(count), 0),
      heapMB: round(memory.heapUsed),
      outsideMB: round(memory.external),
      rssMB: round(rss),
    };
  } finally {
    await inspector.close();
  }
}
