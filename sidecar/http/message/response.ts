/** What a response says about its framing and its connection, whatever protocol carried it. */
import type { Framing } from './request.ts';

/** Filled in from a head by h1/response.ts or h2/response.ts. */
export class ResponseInfo {
  framing: Framing = 'none';
  length = 0;
  /** A Content-Length that stands in a response without content (HEAD, 304); -1 for none. */
  statedLength = -1;
  keepAlive = true;
  /** Seconds that the other end keeps an idle connection, from Keep-Alive; -1 when it does not say. */
  keepAliveSeconds = -1;
  nominated: string[] | null = null;
  /** Connection says `close`, which wins over `keep-alive` beside it. RFC 9112 section 9.3. */
  close = false;
  /** Field number of Content-Length where the line reads as we would write it ourselves; -1 otherwise. */
  lengthField = -1;
  problemText = '';

  /** Makes the object new for the next head. */
  reset(): void {
    this.framing = 'none';
    this.length = 0;
    this.statedLength = -1;
    this.keepAlive = true;
    this.keepAliveSeconds = -1;
    this.nominated = null;
    this.close = false;
    this.lengthField = -1;
  }

  /** Refuses the response; gives false. */
  fail(text: string): false {
    this.problemText = text;
    return false;
  }
}
