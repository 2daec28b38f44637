import { randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { formatAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { Frames, framed } from './frames.ts';
import { answersTo, type Query, RCODE, TYPE, withId, writeQuestion } from './message.ts';
import type { Resolver } from './resolv-conf.ts';

/** Questions that are asked of others at a time: each has a socket of its own. */
const most = 256;
/** How long one resolver is waited for, in ms; a stub resolver gives up after 5 s. */
const answerMs = 2000;
/** How long questions wait at the start to see whether a resolver asks us back, in ms. */
const checkMs = 1000;

/**
 * Passes questions on to other resolvers, one after the other until one has an answer. Each question goes out from a port of
 * its own with an id of its own, both by chance, and only the resolver that was asked is heard (RFC 5452).
 */
export class Forwarder {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #resolvers: Resolver[];
  /** What ends each exchange that is under way. */
  readonly #open = new Set<() => void>();
  /** Names that only we ask for, and whom; kept, since an answer may come late. */
  readonly #probes = new Map<string, Resolver>();
  readonly #checking = new Set<Resolver>();
  readonly #checked: Promise<unknown>;

  /** Asks each resolver for a name of our own at once: one that asks us in turn would send every question round and round. */
  constructor(resolvers: readonly Resolver[], clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#resolvers = [...resolvers];
    this.#checked = Promise.all(resolvers.map((resolver) => this.#check(resolver)));
  }

  /** The answer of a resolver, under the id of the query; else the code of an answer that says why there is none. */
  async forward(octets: Buffer, query: Query, overTcp: boolean): Promise<Buffer | number> {
    await this.#checked;
    if (this.#resolvers.length === 0) return RCODE.refused;
    let last: Buffer | undefined;
    for (const resolver of [...this.#resolvers]) {
      if (this.#open.size >= most) return RCODE.failed;
      const answer = await this.#exchange(resolver, octets, query.question, overTcp, answerMs);
      if (answer === undefined) {
        // It may have lost the question that would have shown that it asks us.
        void this.#check(resolver);
        continue;
      }
      last = withId(answer, query.id);
      const code = answer.readUInt16BE(2) & 0xf;
      if (code !== RCODE.failed && code !== RCODE.refused) break;
    }
    return last ?? RCODE.failed;
  }

  /** True when the question is one of our own that has come back: whoever sent it is asked no more. */
  cameBack(query: Query): boolean {
    const resolver = this.#probes.get(query.labels.join('.'));
    if (resolver === undefined) return false;
    const at = this.#resolvers.indexOf(resolver);
    if (at >= 0) {
      this.#resolvers.splice(at, 1);
      this.#log.warn('names.loop', {
        resolver: formatAddress(resolver),
        problem: 'it passes on to this sidecar what it does not know, so it is not asked; --dns-forward names others',
      });
    }
    return true;
  }

  close(): void {
    for (const end of [...this.#open]) end();
  }

  async #check(resolver: Resolver): Promise<void> {
    if (this.#checking.has(resolver)) return;
    this.#checking.add(resolver);
    const [name = `weft-loop-${randomBytes(8).toString('hex')}.mesh`] =
      [...this.#probes].find(([, asked]) => asked === resolver) ?? [];
    this.#probes.set(name, resolver);
    const octets = writeQuestion(0, name.split('.'), TYPE.a);
    await this.#exchange(resolver, octets, octets.subarray(12), false, checkMs);
    this.#checking.delete(resolver);
  }

  #exchange(
    resolver: Resolver,
    octets: Buffer,
    question: Buffer,
    overTcp: boolean,
    withinMs: number,
  ): Promise<Buffer | undefined> {
    const id = randomInt(0x10000);
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    const end = (answer?: Buffer): void => {
      if (!this.#open.delete(over)) return;
      cancel();
      close();
      resolve(answer);
    };
    const over = (): void => end();
    const heard = (message: Buffer): void => {
      if (answersTo(message, id, question) !== undefined) end(message);
    };
    this.#open.add(over);
    const cancel = this.#clock.after(withinMs, over);
    const ask = overTcp ? askOverTcp : askOverUdp;
    const close = ask(resolver, withId(octets, id), heard, over);
    return promise;
  }
}

type Ask = (to: Resolver, octets: Buffer, heard: (message: Buffer) => void, failed: () => void) => () => void;

const askOverUdp: Ask = ({ host, port }, octets, heard, failed) => {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('error', failed);
  socket.on('message', heard);
  // Connected: the system drops what others send, and says when nobody is there.
  socket.on('connect', () => socket.send(octets));
  socket.connect(port, host);
  return () => socket.close();
};

const askOverTcp: Ask = ({ host, port }, octets, heard, failed) => {
  const frames = new Frames();
  const socket = connect({ host, port, noDelay: true });
  socket.on('error', failed);
  socket.on('close', failed);
  socket.on('data', (chunk: Buffer) => {
    for (const message of frames.take(chunk)) heard(message);
  });
  socket.on('connect', () => socket.write(framed(octets)));
  return () => socket.destroy();
};
