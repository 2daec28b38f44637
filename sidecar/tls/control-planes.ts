import type { Address } from '../../lib/address.ts';

/** The control planes of one mesh. Any of them serves; whoever begins anew asks the next one, so that one may be away. */
export class ControlPlanes {
  readonly #addresses: readonly Address[];
  #at = 0;

  /** `addresses`: one at least, in the order in which they are asked. */
  constructor(addresses: readonly Address[]) {
    this.#addresses = addresses;
  }

  /** The first one at first, then the one after the last that was given. */
  next(): Address {
    const address = this.#addresses[this.#at % this.#addresses.length];
    if (address === undefined) throw new RangeError('there are no control planes');
    this.#at++;
    return address;
  }

  /** The one that `next` gave last. */
  get current(): Address {
    return this.#addresses[Math.max(0, this.#at - 1) % this.#addresses.length]!;
  }
}
