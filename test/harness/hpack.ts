// Header blocks of RFC 7541 by hand, for tests: plain literals out, and in whatever a peer writes without Huffman.

export type FieldList = readonly (readonly [name: string, value: string])[];

const names =
  ':authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status ' +
  'accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow ' +
  'authorization cache-control content-disposition content-encoding content-language content-length content-location ' +
  'content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match ' +
  'if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range ' +
  'referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via ' +
  'www-authenticate';
const values = new Map([
  [2, 'GET'],
  [3, 'POST'],
  [4, '/'],
  [5, '/index.html'],
  [6, 'http'],
  [7, 'https'],
  ...[200, 204, 206, 304, 400, 404, 500].map((status, i) => [8 + i, String(status)] as const),
  [16, 'gzip, deflate'],
]);
const fixed: FieldList = names.split(' ').map((name, i) => [name, values.get(i + 1) ?? '']);

/** An integer with a prefix of `bits`, under the given first octet. RFC 7541 section 5.1. */
export function integer(first: number, bits: number, value: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([first | value]);
  const octets = [first | most];
  for (let rest = value - most; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...octets, rest]);
    octets.push((rest % 128) + 128);
  }
}

const string = (text: string): Buffer => Buffer.concat([integer(0, 7, text.length), Buffer.from(text, 'latin1')]);

/** A block of literals that are put into no table, whatever is in them. */
export const literals = (fields: FieldList): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), string(name), string(value)]));

/** A literal that goes into the dynamic table. */
export const indexed = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40]), string(name), string(value)]);

/** Reads the blocks of one direction of a connection, in order. Throws for what is not to be read. */
export class BlockReader {
  readonly #table: (readonly [string, string])[] = [];
  #limit = 4096;

  read(block: Buffer): FieldList {
    const fields: (readonly [string, string])[] = [];
    let at = 0;
    const number = (bits: number): number => {
      const most = 2 ** bits - 1;
      let value = block[at++]! & most;
      if (value < most) return value;
      for (let shift = 1; ; shift *= 128) {
        const octet = block[at++]!;
        value += (octet & 127) * shift;
        if (octet < 128) return value;
      }
    };
    const text = (): string => {
      if (block[at]! >= 128) throw new Error('a string in Huffman code, which this reader does not know');
      const length = number(7);
      at += length;
      return block.toString('latin1', at - length, at);
    };
    const entry = (index: number): readonly [string, string] => {
      const found = fixed[index - 1] ?? this.#table[index - 1 - fixed.length];
      if (found === undefined) throw new Error(`no field with index ${index}`);
      return found;
    };
    const literal = (bits: number): readonly [string, string] => {
      const index = number(bits);
      const name = index === 0 ? text() : entry(index)[0];
      return [name, text()];
    };
    while (at < block.length) {
      const octet = block[at]!;
      if (octet >= 0x80) fields.push(entry(number(7)));
      else if (octet >= 0x40) {
        const field = literal(6);
        this.#table.unshift(field);
        this.#shrink();
        fields.push(field);
      } else if (octet >= 0x20) {
        this.#limit = number(5);
        this.#shrink();
      } else fields.push(literal(4));
    }
    if (at !== block.length) throw new Error('a block that ends in the middle of a field');
    return fields;
  }

  #shrink(): void {
    const size = (): number => this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.#limit) this.#table.pop();
  }
}
