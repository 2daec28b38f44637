import { putText } from '../../net/adapter.ts';
import type { Wire } from '../../net/wire.ts';
import type { ExchangeRecord } from '../../telemetry/telemetry.ts';
import type { Edit } from '../message/fields.ts';
import type { Head } from '../message/head.ts';
import { nameId } from '../message/names.ts';
import { type Viewed, viewed } from '../message/viewed.ts';
import { CONTINUATION, END_HEADERS, END_STREAM, FRAME_HEAD, HEADERS, MAX_FRAME } from './constants.ts';
import { putFrameHead } from './frame-writer.ts';
import type { HpackEncoder } from './hpack/encoder.ts';

/** Room for what HPACK adds to a field, and for a frame head for every 16 KiB of it. */
const FIELD_ROOM = 16;
const FRAMES_ROOM = 8 * FRAME_HEAD;
/** https://www.w3.org/TR/trace-context: version, trace, span, flags. */
const TRACEPARENT = `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`;
const TRACE_AT = 3;
const SPAN_AT = 36;

/** Puts field blocks on the wire of one connection, encoded where they are sent from. */
export class HeadWriter {
  readonly #wire: Wire;
  readonly #encoder: HpackEncoder;
  #buf: Buffer = Buffer.alloc(0);
  #start = 0;
  #at = 0;
  readonly #trace = viewed(TRACEPARENT.length);

  constructor(wire: Wire, encoder: HpackEncoder) {
    this.#wire = wire;
    this.#encoder = encoder;
    putText(this.#trace.buf, TRACEPARENT, 0);
  }

  /** Begins a block with the fields of `head` and `more` octets of others. Nothing else is written until `end`. */
  begin(head: Head | undefined, more: number): void {
    const octets = head === undefined ? 0 : head.fieldsEnd - head.fieldsStart + head.count * FIELD_ROOM;
    this.#buf = this.#wire.room(FRAMES_ROOM + octets + more);
    this.#start = this.#wire.outLength;
    this.#at = this.#encoder.begin(this.#buf, this.#start + FRAME_HEAD);
  }

  field(head: Head, field: number): void {
    const nameStart = head.nameStart(field);
    const nameEnd = head.nameEnd(field);
    const start = head.valueStart(field);
    const end = head.valueEnd(field);
    // RFC 7541 section 6.2.3: what came as a field that no table may have goes on as one.
    this.#at =
      head.secret[field] === 1
        ? this.#encoder.secret(this.#buf, this.#at, head, nameStart, nameEnd, start, end)
        : this.#encoder.field(this.#buf, this.#at, head, nameStart, nameEnd, head.ids[field]!, start, end);
  }

  /** A field whose name is known by number, with the value that another field or a part of the head has. */
  octets(id: number, src: Viewed, start: number, end: number): void {
    this.#at = this.#encoder.field(this.#buf, this.#at, src, 0, 0, id, start, end);
  }

  /** The trace that the request belongs to. Put together as octets: a text of it would cost more than all the rest. */
  traceparent({ traceId, spanId, sampled }: ExchangeRecord): void {
    const { buf } = this.#trace;
    putText(buf, traceId, TRACE_AT);
    putText(buf, spanId, SPAN_AT);
    buf[TRACEPARENT.length - 1] = sampled ? 0x31 : 0x30;
    this.octets(nameId.traceparent, this.#trace, 0, TRACEPARENT.length);
  }

  text(id: number, value: string): void {
    this.#at = this.#encoder.text(this.#buf, this.#at, id, value);
  }

  /** A field that a filter has put in. */
  edit({ name, value }: Edit): void {
    if (value === null) return;
    this.named(name, value);
  }

  named(name: string, value: string): void {
    this.#at = this.#encoder.named(this.#buf, this.#at, name, value);
  }

  /** Ends the block: one HEADERS frame, with CONTINUATION frames behind it where it is larger than one. */
  end(stream: number, last: boolean): void {
    const flags = last ? END_STREAM : 0;
    const length = this.#at - this.#start - FRAME_HEAD;
    if (length <= MAX_FRAME) {
      putFrameHead(this.#buf, this.#start, length, HEADERS, flags | END_HEADERS, stream);
      this.#wire.advance(FRAME_HEAD + length);
    } else this.#split(stream, flags, length);
  }

  /** Moves the pieces apart, the last one first, to make room for a head before each. */
  #split(stream: number, flags: number, length: number): void {
    const buf = this.#buf;
    const from = this.#start + FRAME_HEAD;
    const pieces = Math.ceil(length / MAX_FRAME);
    for (let piece = pieces - 1; piece >= 0; piece--) {
      const start = from + piece * MAX_FRAME;
      const size = Math.min(MAX_FRAME, length - piece * MAX_FRAME);
      const to = start + piece * FRAME_HEAD;
      buf.copyWithin(to, start, start + size);
      const end = piece === pieces - 1 ? END_HEADERS : 0;
      if (piece === 0) putFrameHead(buf, this.#start, size, HEADERS, flags | end, stream);
      else putFrameHead(buf, to - FRAME_HEAD, size, CONTINUATION, end, stream);
    }
    this.#wire.advance(pieces * FRAME_HEAD + length);
  }
}
