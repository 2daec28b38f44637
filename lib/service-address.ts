import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';

/**
 * Addresses of services on loopback, 127.128.0.0/9: each one reaches the sidecar of the process that asks, and nobody else.
 * The first and the last one are nobody's: systems treat the last one as a broadcast.
 */
const base = 0x7f800000;
export const mostServiceAddresses = 2 ** 23 - 2;

/** True for the text of an address that a service can have. */
export function isServiceAddress(text: string): boolean {
  if (!isIPv4(text)) return false;
  const place = numberOf(text) - base - 1;
  return place >= 0 && place < mostServiceAddresses;
}

/**
 * Every address that a service (`namespace/name`) may get, the one to try first first. The same on every control plane and
 * every sidecar: where nobody else has it, a service has the address that follows from its name.
 */
export function* serviceAddresses(service: string): Generator<string> {
  const first = createHash('sha256').update(service).digest().readUInt32BE(0) % mostServiceAddresses;
  for (let n = 0; n < mostServiceAddresses; n++) yield textOf(base + 1 + ((first + n) % mostServiceAddresses));
}

/** Addresses for services that nobody else allots any. The same services get the same ones, in whatever order they come. */
export function allotAddresses(services: Iterable<string>): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  const addresses = new Map<string, string>();
  for (const service of [...services].sort()) {
    const free = serviceAddresses(service).find((address) => !taken.has(address));
    if (free === undefined) break;
    taken.add(free);
    addresses.set(service, free);
  }
  return addresses;
}

const numberOf = (text: string): number => text.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);

const textOf = (number: number): string => [24, 16, 8, 0].map((shift) => String((number >>> shift) & 0xff)).join('.');
