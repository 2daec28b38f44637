/**
 * What one connection, request or stream may cost at most. All of it is in force by default. Times are ms, sizes octets,
 * Infinity is no limit. Fixed for the life of a sidecar.
 */
export interface Limits {
  /** For a head to be complete, absolute from its first octet (or from connecting): octets that trickle in do not put it off. */
  readonly headMs: number;
  /** How long a caller's connection may rest between requests. */
  readonly idleMs: number;
  /** How long nothing may move on a request under way, unless a policy says otherwise. */
  readonly streamIdleMs: number;
  /** How long nothing may move in a tunnel (WebSocket and other upgrades), whatever the policies say. */
  readonly tunnelIdleMs: number;
  /** The same when one side of it has ended. */
  readonly tunnelHalfClosedMs: number;
  /** For a TLS handshake. */
  readonly handshakeMs: number;
  /** For the first octets to say what a connection carries, where both HTTP and other protocols may come. */
  readonly detectMs: number;
  /** How long nothing may move on a TCP connection that is passed on. */
  readonly tcpIdleMs: number;
  /** A body must come at this many octets a second, after the grace: fewer tie up memory for nothing. 0: no rate. */
  readonly minBodyRate: number;
  readonly bodyGraceMs: number;
  /** How long a caller's connection is used, give or take a tenth; it ends behind an answer, so that nothing is lost. */
  readonly connectionAgeMs: number;
  /** How long a connection that we close is still read from, so that the answer before the close is not lost to a reset. */
  readonly lingerMs: number;
  /** How long an answer may take to begin when its caller has closed its side: it may be waiting, or be gone. */
  readonly halfClosedMs: number;
  /** How long an idle connection is kept while draining, so that busy callers are told to close and lose nothing. */
  readonly drainIdleMs: number;

  /** Of one listener; more are closed at once. */
  readonly connections: number;
  /** Of one IP address to the inbound listener. Loopback addresses and unix-domain sockets are not counted. */
  readonly connectionsPerAddress: number;

  /** Of a request head, start line and line ends included; of the fields of one HTTP/2 request, `name: value` each. */
  readonly headOctets: number;
  readonly fields: number;
  readonly targetOctets: number;

  /** Files that connections of a thread may have open. */
  readonly files: number;
  /** How many of them may be open when another caller comes; the rest is for what callers ask for. */
  readonly filesForCallers: number;
  /** Octets of memory that there are in all. */
  readonly memory: number;
  /**
   * Used shares of the memory from which on connections end behind their answers, new requests are refused, and what holds
   * most memory is reset.
   */
  readonly overloadMemory: readonly [closing: number, refusing: number, shedding: number];
  /** How late the event loop must be for a second, in ms, for the first two of these. */
  readonly overloadDelayMs: readonly [closing: number, refusing: number];

  /** HTTP/2: streams under way on one connection that others opened to us. */
  readonly streams: number;
  /** HTTP/2: octets that may be on their way on one stream before they have been taken (RFC 9113 section 6.9). */
  readonly streamWindow: number;
  /** HTTP/2: the same of all streams of a connection. */
  readonly connectionWindow: number;
  /** HTTP/2: the largest frame that is taken (RFC 9113 section 4.2). */
  readonly frameOctets: number;
  /** HTTP/2: the HPACK table that a peer may fill, and the most that we fill at a peer (RFC 7541 section 4.2). */
  readonly headerTable: number;
  /** HTTP/2: silence of a connection with streams under way after which it is asked whether it is alive; an app seldom. */
  readonly pingMs: number;
  /** HTTP/2: for the answer to that. */
  readonly pongMs: number;

  /**
   * HTTP/2: streams that end early, by a reset of either side, at once, and refilled a second. Beyond that a connection
   * is closed when they are more than half of all (rapid reset: CVE-2023-44487, CVE-2025-8671).
   */
  readonly resets: number;
  readonly resetRate: number;
  /** HTTP/2: frames for the connection's own sake (SETTINGS, PING, PRIORITY, unknown ones) at once, and refilled a second. */
  readonly controlBurst: number;
  readonly controlRate: number;
  /** HTTP/2: answers to such frames that wait because the other end does not read (CVE-2019-9512, -9515). */
  readonly controlWaiting: number;
  /** HTTP/2: frames in a row that carry nothing and end nothing (CVE-2019-9518). */
  readonly emptyFrames: number;
  /** HTTP/2: frames over which one block of fields may be spread (CVE-2024-27983). */
  readonly continuations: number;
  /** HTTP/2: entries of one SETTINGS frame (CVE-2020-11080). */
  readonly settings: number;
  /** HTTP/2: WINDOW_UPDATE frames for each DATA frame that was sent, beyond `controlBurst`. */
  readonly windowUpdates: number;
}

export const defaultLimits = Object.freeze<Limits>({
  headMs: 10_000,
  idleMs: 60_000,
  streamIdleMs: 300_000,
  tunnelIdleMs: 3_600_000,
  tunnelHalfClosedMs: 60_000,
  handshakeMs: 10_000,
  detectMs: 3000,
  tcpIdleMs: 3_600_000,
  minBodyRate: 500,
  bodyGraceMs: 5000,
  connectionAgeMs: 3_600_000,
  lingerMs: 1000,
  halfClosedMs: 1000,
  drainIdleMs: 500,

  connections: 20_000,
  connectionsPerAddress: 5000,

  headOctets: 60 * 1024,
  fields: 100,
  targetOctets: 16 * 1024,

  files: Number.POSITIVE_INFINITY,
  filesForCallers: Number.POSITIVE_INFINITY,
  memory: Number.POSITIVE_INFINITY,
  overloadMemory: [0.92, 0.95, 0.98],
  overloadDelayMs: [100, 300],

  streams: 1000,
  streamWindow: 512 * 1024,
  connectionWindow: 2 * 1024 * 1024,
  frameOctets: 16 * 1024,
  headerTable: 4096,
  pingMs: 15_000,
  pongMs: 10_000,

  resets: 500,
  resetRate: 50,
  controlBurst: 1000,
  controlRate: 100,
  controlWaiting: 1000,
  emptyFrames: 4,
  continuations: 8,
  settings: 32,
  windowUpdates: 10,
});
