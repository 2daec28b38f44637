/** What a request says about its framing, its host and its connection, whatever protocol carried it. */
import type { ErrorCode } from '../../../lib/errors.ts';
import { LOOKALIKE } from './names.ts';

/**
 * How a body ends:
 * - `none`: there is none
 * - `length`: after as many octets as were announced
 * - `streamed`: the end is marked when it comes: the last chunk of HTTP/1.1, END_STREAM of HTTP/2
 * - `until-close`: with the connection, as in HTTP/1.0
 * - `tunnel`: not a body: octets of another protocol, each way until that side ends (WebSocket and other upgrades)
 */
export type Framing = 'none' | 'length' | 'streamed' | 'until-close' | 'tunnel';

/** Filled in from a head by h1/request.ts or h2/request.ts; one object an exchange, reused. */
export class RequestInfo {
  framing: Framing = 'none';
  /** Octets of the body with framing `length`. */
  length = 0;
  /** A Content-Length was there, if only of 0. */
  hasLength = false;
  /** Field number of Host; -1 when an HTTP/1.0 request has none. */
  host = -1;
  /** The target is an absolute URI, which speaks for the host instead of Host. */
  absolute = false;
  /** Field number of the first field of each known name; -1 for absent ones. */
  readonly at = new Int16Array(LOOKALIKE + 1);
  /** The connection goes on after the response, as far as the request is concerned. */
  keepAlive = true;
  expectContinue = false;
  /** Names (lower case) that Connection says to drop; null: none. */
  nominated: string[] | null = null;
  /** Connection says `close`, which wins over `keep-alive` beside it. RFC 9112 section 9.3. */
  close = false;
  /** Field number of Content-Length where the line reads as we would write it ourselves; -1 otherwise. */
  lengthField = -1;
  /** The protocol (lower case) that the request wants to go on with, such as `websocket`; '' for none. */
  upgrade = '';
  problem: ErrorCode = 'BAD_REQUEST';
  problemText = '';

  /** Makes the object new for the next head. */
  reset(): void {
    this.framing = 'none';
    this.length = 0;
    this.hasLength = false;
    this.host = -1;
    this.absolute = false;
    this.at.fill(-1);
    this.keepAlive = true;
    this.expectContinue = false;
    this.nominated = null;
    this.close = false;
    this.lengthField = -1;
    this.upgrade = '';
  }

  /** Refuses the request; gives false. */
  fail(problem: ErrorCode, text: string): false {
    this.problem = problem;
    this.problemText = text;
    return false;
  }
}
