import type { ResponseInfo } from '../message/response.ts';
import { ChunkedDecoder } from './chunked.ts';

/** Reads the body of a response, whatever its framing. */
export class ResponseBody {
  readonly #chunked = new ChunkedDecoder();
  #isChunked = false;
  /** Infinity where the end of the connection is the end of it. */
  #left = 0;
  dataStart = 0;
  dataEnd = 0;
  done = true;

  begin(info: ResponseInfo): void {
    this.#isChunked = info.framing === 'streamed';
    if (this.#isChunked) this.#chunked.reset();
    const endless = info.framing === 'until-close' || info.framing === 'tunnel';
    this.#left = endless ? Number.POSITIVE_INFINITY : info.length;
    this.done = info.framing === 'none';
  }

  /** Takes buf[start, end) up to the body's end: content is at dataStart..dataEnd. Gives the position behind it; -1: not valid. */
  take(buf: Buffer, start: number, end: number): number {
    if (this.#isChunked) {
      const p = this.#chunked.feed(buf, start, end);
      this.dataStart = this.#chunked.dataStart;
      this.dataEnd = this.#chunked.dataEnd;
      this.done = this.#chunked.done;
      return p;
    }
    const n = Math.min(this.#left, end - start);
    this.#left -= n;
    this.dataStart = start;
    this.dataEnd = start + n;
    this.done = this.#left === 0;
    return start + n;
  }
}
