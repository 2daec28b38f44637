/** Messages on a TCP connection, each behind its length in two octets. RFC 1035 section 4.2.2. Does no I/O. */
export class Frames {
  #parts: Buffer[] = [];
  #held = 0;

  /** The messages that are whole with these octets. What is held back is less than one message of 64 KiB. */
  take(octets: Buffer): Buffer[] {
    this.#parts.push(octets);
    this.#held += octets.length;
    const messages: Buffer[] = [];
    for (;;) {
      if (this.#held < 2) return messages;
      const end = this.#length() + 2;
      if (this.#held < end) return messages;
      const all = Buffer.concat(this.#parts);
      // A copy: who reads it may keep it, and what it came with need not stay for that.
      messages.push(Buffer.from(all.subarray(2, end)));
      this.#parts = [all.subarray(end)];
      this.#held = all.length - end;
    }
  }

  #length(): number {
    if (this.#parts[0]!.length < 2) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0]!.readUInt16BE(0);
  }
}

/** The message with its length before it, so that both go out in one write. */
export function framed(message: Buffer): Buffer {
  const octets = Buffer.alloc(message.length + 2);
  octets.writeUInt16BE(message.length, 0);
  message.copy(octets, 2);
  return octets;
}
