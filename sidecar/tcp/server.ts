import type { WireOwner } from '../net/wire.ts';
import type { OpenWire } from './pipe.ts';

/** What sidecars call connections between them that carry octets and nothing else (ALPN). */
export const TCP_PROTOCOL = 'weft-tcp';

/** Who opened a connection to us. */
export interface Caller {
  /** SPIFFE ID that it proved; '' for none. */
  readonly peer: string;
  /** IP address. */
  readonly address: string;
  /** It came over TLS, and has proved who it is. */
  readonly secure: boolean;
}

/**
 * What a connection carries:
 * - `http`: HTTP; whatever else comes is refused as bad HTTP
 * - `tcp`: octets that nobody looks at, so that whichever side speaks first is heard at once
 * - `detect`: HTTP or octets, as its beginning says
 * - `nothing`: it is refused
 */
export type Carries = 'http' | 'tcp' | 'detect' | 'nothing';

/** A connection of octets. Nothing happens before `begin`. */
export interface TcpServed {
  readonly owner: WireOwner;
  begin(): void;
  drain(): void;
  destroy(): void;
}

/** Whoever takes the connections of a listener that do not carry HTTP. */
export interface TcpServer {
  /** Called once for each connection; `protocol`: what its handshake has agreed on (ALPN), '' for nothing. */
  carries(caller: Caller, protocol: string): Carries | Promise<Carries>;
  /** True when a caller that says nothing may be waiting for the service to speak. */
  mayBeSilent(): boolean;
  serve(open: OpenWire, caller: Caller, gone: () => void): TcpServed;
}
