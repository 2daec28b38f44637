// Opens many connections, asks once on each, waits, and asks again on each.
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { HoldOrder, HoldReport } from './hold.ts';
import { host, tally } from './load.ts';

const { port, connections, holdMs } = JSON.parse(process.argv[2]!) as HoldOrder;
/** Connections that are being opened, or wait for their answer, at once. */
const atOnce = 64;
const patienceMs = 10_000;
const question = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

/** One connection and its questions, one at a time. */
class Asker {
  readonly #socket: Socket;
  #got = '';
  #settle: ((problem: string | undefined) => void) | undefined;

  constructor() {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (octets: Buffer) => {
      this.#got += octets.toString('latin1');
      const head = this.#got.indexOf('\r\n\r\n');
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#got)?.[1];
      if (head === -1 || this.#got.length < head + 4 + Number(length)) return;
      this.#done(this.#got.startsWith('HTTP/1.1 200 ') ? undefined : this.#got.slice(0, this.#got.indexOf('\r\n')));
    });
    this.#socket.on('timeout', () => this.#done(`no answer within ${patienceMs} ms`));
    this.#socket.on('error', (error) => this.#done(error.message));
    this.#socket.on('close', () => this.#done('the connection was closed'));
  }

  /** Gives what went wrong, if anything did. */
  ask(): Promise<string | undefined> {
    if (this.#socket.destroyed) return Promise.resolve('the connection was closed while idle');
    this.#got = '';
    this.#socket.setTimeout(patienceMs);
    this.#socket.write(question);
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  #done(problem: string | undefined): void {
    this.#socket.setTimeout(0);
    this.#settle?.(problem);
    this.#settle = undefined;
  }

  close(): void {
    this.#socket.destroy();
  }
}

const askers: Asker[] = [];

/** Asks on each connection, opening those that are not yet open, and prints how it went. */
async function round(): Promise<void> {
  const begin = performance.now();
  const problems: string[] = [];
  let next = 0;
  let answered = 0;
  const one = async (): Promise<void> => {
    while (next < connections) {
      const index = next++;
      askers[index] ??= new Asker();
      const problem = await askers[index].ask();
      if (problem === undefined) answered++;
      else problems.push(problem);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  const report: HoldReport = { answered, tookMs: performance.now() - begin, problems: tally(problems) };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

await round();
await delay(holdMs);
await round();
for (const asker of askers) asker.close();
