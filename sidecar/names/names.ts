import { messageOf } from '../../lib/errors.ts';
import { Seldom } from '../limits/seldom.ts';
import { Forwarder } from './forwarder.ts';
import {
  type Answer,
  parseQuery,
  type Query,
  RCODE,
  writeAnswer,
  writeTruncated,
  writeUnanswerable,
} from './message.ts';
import type { Resolver } from './resolv-conf.ts';
import { type DnsServer, startDnsServer } from './server.ts';
import { Zone, type ZoneOptions } from './zone.ts';

export interface NamesOptions extends ZoneOptions {
  /** Where to answer DNS: on loopback, since whoever asks is told what only this machine can reach. */
  readonly address: Resolver;
  /** Who is asked for all other names. */
  readonly resolvers: readonly Resolver[];
}

/** Answers DNS for the services of the mesh, and passes all other questions on. Rejects when it cannot listen. */
export async function startNames(options: NamesOptions): Promise<DnsServer> {
  const { clock, log } = options;
  const zone = new Zone(options);
  const forwarders: Forwarder[] = [];
  const failed = new Seldom(clock, (fields) => log.error('names.failed', fields));

  const answered = async (octets: Buffer, query: Query, overTcp: boolean): Promise<Buffer> => {
    const { edns } = query;
    if (edns !== undefined && edns.version > 0) return writeAnswer(query, refusal(RCODE.badVersion));
    if (Zone.has(query)) {
      const ours = forwarders.some((forwarder) => forwarder.cameBack(query));
      return writeAnswer(query, ours ? refusal(RCODE.noSuchName) : await zone.answer(query));
    }
    const answer = (await forwarders[0]?.forward(octets, query, overTcp)) ?? RCODE.refused;
    if (typeof answer === 'number') return writeAnswer(query, refusal(answer));
    return overTcp || answer.length <= query.udpSize ? answer : writeTruncated(query);
  };
  const handle = async (octets: Buffer, overTcp: boolean): Promise<Buffer | undefined> => {
    const query = parseQuery(octets);
    if (query === undefined) return undefined;
    if ('opcode' in query) return writeUnanswerable(query);
    try {
      return await answered(octets, query, overTcp);
    } catch (thrown) {
      failed.happened({ problem: messageOf(thrown) });
      return writeAnswer(query, refusal(RCODE.failed));
    }
  };

  const server = await startDnsServer(options.address, handle, clock);
  // Asks at once, and must be heard when it is asked back.
  forwarders.push(new Forwarder(options.resolvers, clock, log));
  return {
    address: server.address,
    async close() {
      zone.close();
      for (const forwarder of forwarders) forwarder.close();
      await server.close();
    },
  };
}

const refusal = (rcode: number): Answer => ({ rcode, ttlSeconds: 0, authoritative: false });
