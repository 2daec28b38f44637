/** What the fields of a response say about its framing and its connection. RFC 9112 section 6.3. */
import type { Head } from './head.ts';
import { isCanonicalLength, parseLength } from './lengths.ts';
import { nameId } from './names.ts';
import { equalsLower } from './octets.ts';
import { type Framing, readTokens } from './request.ts';

const known = nameId;

export class ResponseInfo {
  framing: Framing = 'none';
  length = 0;
  /** A Content-Length that stands in a response without content (HEAD, 304); -1 for none. */
  statedLength = -1;
  keepAlive = true;
  /** Seconds that the other end keeps an idle connection, from Keep-Alive; -1 when it does not say. */
  keepAliveSeconds = -1;
  nominated: string[] | null = null;
  /** Field number of Content-Length where the line reads as we would write it ourselves; -1 otherwise. */
  lengthField = -1;
  problemText = '';
  /** RFC 9112 section 9.3: `close` wins over `keep-alive` beside it. */
  #close = false;

  /** `bodiless`: the request was HEAD. False: the response is refused. */
  read(head: Head, bodiless: boolean): boolean {
    this.framing = 'none';
    this.length = 0;
    this.statedLength = -1;
    this.keepAlive = head.minor === 1;
    this.#close = false;
    this.keepAliveSeconds = -1;
    this.nominated = null;
    this.lengthField = -1;
    let lengths = 0;
    let codings = 0;
    for (let field = 0; field < head.count; field++) {
      const id = head.ids[field]!;
      if (id === 0) continue;
      if (id === known.connection) {
        if (!this.#connection(head, field)) return this.#fail('Connection is not a list of tokens');
      } else if (id === known['content-length']) {
        this.length = parseLength(head.buf, head.valueStart(field), head.valueEnd(field));
        if (isCanonicalLength(head, field)) this.lengthField = field;
        if (++lengths > 1 || this.length < 0) return this.#fail('Content-Length is not one plain number');
      } else if (id === known['transfer-encoding']) {
        if (++codings > 1 || !equalsLower(head.buf, head.valueStart(field), head.valueEnd(field), 'chunked'))
          return this.#fail('a Transfer-Encoding other than one chunked');
      } else if (id === known['keep-alive']) {
        const found = /timeout=([0-9]{1,6})/.exec(head.value(field));
        if (found !== null) this.keepAliveSeconds = Number(found[1]);
      }
    }
    if (codings > 0 && (lengths > 0 || head.minor === 0))
      return this.#fail('Transfer-Encoding beside Content-Length, or in HTTP/1.0');
    if (this.#close) this.keepAlive = false;
    if (lengths > 0) this.statedLength = this.length;
    if (bodiless || head.status < 200 || head.status === 204 || head.status === 304) return true;
    this.framing = codings > 0 ? 'chunked' : lengths === 0 ? 'until-close' : this.length > 0 ? 'length' : 'none';
    return true;
  }

  #connection(head: Head, field: number): boolean {
    return readTokens(head.buf, head.valueStart(field), head.valueEnd(field), (start, end) => {
      if (equalsLower(head.buf, start, end, 'close')) this.#close = true;
      else if (equalsLower(head.buf, start, end, 'keep-alive')) this.keepAlive = true;
      else {
        this.nominated ??= [];
        this.nominated.push(head.text(start, end).toLowerCase());
      }
    });
  }

  #fail(text: string): false {
    this.problemText = text;
    return false;
  }
}
