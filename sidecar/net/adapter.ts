/**
 * The one place that touches surfaces of Node which its documentation does not promise: reading into a buffer of our
 * own on accepted sockets, and writing without the stream machinery. Each has a check at run time and falls back to the
 * public API, so that another version of Node is slower, never wrong. Gain measured in bench/README.md.
 */
import type { Socket } from 'node:net';

type ReadCallback = (buf: Buffer, length: number) => void;

/** What Node calls a stream handle; only what is used here. */
interface Handle {
  useUserBuffer?(buf: Buffer): void;
  writeBuffer?(req: null, buf: Uint8Array): number | WriteRequest;
  reading?: boolean;
  readStop?(): number;
  readStart?(): number;
  /** What TLS is spoken over. */
  _parent?: Handle;
  /** TCP only. */
  reset?(done?: () => void): unknown;
  close?(done?: () => void): unknown;
  /** Octets that the kernel has not taken yet. */
  writeQueueSize?: number;
}
interface WriteRequest {
  oncomplete: (status: number) => void;
  handle: unknown;
  async: boolean;
  buffer: unknown;
  /** Set when the write ended before `oncomplete` could be attached. */
  writeStatus?: number | null;
}

const handleOf = (socket: Socket): Handle | undefined | null => (socket as unknown as { _handle?: Handle })._handle;

let bufferKeys: { buffer: symbol; callback: symbol } | null | undefined;

/** The symbols under which net.Socket keeps the `onread` option of net.connect; null where this Node has none. */
function findBufferKeys(socket: Socket): { buffer: symbol; callback: symbol } | null {
  const symbols = Object.getOwnPropertySymbols(socket);
  const buffer = symbols.find((one) => one.description === 'kBuffer');
  const callback = symbols.find((one) => one.description === 'kBufferCb');
  return buffer === undefined || callback === undefined ? null : { buffer, callback };
}

type TextWriter = (this: Buffer, text: string, at: number) => number;
const latin1Write = (Buffer.prototype as unknown as { latin1Write?: TextWriter }).latin1Write;

/** Puts text of octets (one character is one octet) at `at`; gives how many. There is room for it. */
export const putText: (buf: Buffer, text: string, at: number) => number =
  latin1Write === undefined
    ? (buf, text, at) => buf.write(text, at, 'latin1')
    : (buf, text, at) => latin1Write.call(buf, text, at);

/** For tests: `public` keeps to the documented API. */
export const adapter = { mode: 'direct' as 'direct' | 'public' };

/**
 * Delivers what the socket reads, from now on. Into `shared` where this Node lets us (no buffer and no event per read);
 * otherwise by `data` events. The socket must not have been read from before (accept with pauseOnConnect).
 */
export function onRead(socket: Socket, shared: Buffer, callback: ReadCallback): void {
  const handle = handleOf(socket);
  if (bufferKeys === undefined) bufferKeys = findBufferKeys(socket);
  if (adapter.mode === 'direct' && bufferKeys !== null && typeof handle?.useUserBuffer === 'function') {
    const slots = socket as unknown as Record<symbol, unknown>;
    slots[bufferKeys.buffer] = shared;
    slots[bufferKeys.callback] = (length: number, buf: Buffer): boolean => {
      callback(buf, length);
      return true;
    };
    handle.useUserBuffer(shared);
    // Read before this socket was ours (to see which protocol it speaks); comes before whatever is read from now on.
    const early: unknown = socket.readableLength > 0 ? socket.read() : null;
    // Its handle may still be reading, into the shared buffer by now, and ahead of what came early.
    socket.pause();
    if (early === null) socket.resume();
    else
      setImmediate(() => {
        if (socket.destroyed) return;
        // First, so that whoever takes what came early can pause it again.
        socket.resume();
        callback(early as Buffer, (early as Buffer).length);
      });
    return;
  }
  socket.on('data', (chunk: Buffer) => callback(chunk, chunk.length));
  // A listener alone does not start a socket that was paused.
  socket.resume();
}

/**
 * Stops reading, or goes on: back-pressure does so often, and the public way tells a stream that nobody here uses, by
 * events and by what runs after them. Only for sockets given to `onRead`.
 */
export function setReading(socket: Socket, reading: boolean): void {
  const handle = handleOf(socket);
  if (handle === null || handle === undefined) return;
  if (adapter.mode === 'direct' && bufferKeys && handle.readStart !== undefined && handle.readStop !== undefined) {
    if (handle.reading === reading) return;
    handle.reading = reading;
    const failed = reading ? handle.readStart() : handle.readStop();
    if (failed !== 0) socket.destroy(new Error(`reading failed with ${failed}`));
  } else if (reading) socket.resume();
  else socket.pause();
}

/**
 * Writes buf[0, length). True: all of it is with the kernel and the buffer is free again. False: `done` will be called
 * when it is free; no other write may begin before that. A failure destroys the socket.
 */
export function directWrite(socket: Socket, octets: Uint8Array, done: () => void): boolean {
  const handle = handleOf(socket);
  if (adapter.mode === 'direct' && typeof handle?.writeBuffer === 'function') {
    const request = handle.writeBuffer(null, octets);
    if (typeof request === 'number') {
      if (request !== 0) {
        socket.destroy(new Error(`write failed with ${request}`));
        return false;
      }
      return true;
    }
    request.handle = handle;
    request.async = true;
    request.buffer = octets;
    request.oncomplete = (status) => {
      if (status < 0 && !socket.destroyed) socket.destroy(new Error(`write failed with ${status}`));
      done();
    };
    const status = request.writeStatus;
    if (status !== undefined && status !== null) {
      request.writeStatus = null;
      request.oncomplete(status);
    }
    return false;
  }
  socket.write(octets, done);
  return false;
}

/**
 * True when a write over TLS that should have ended long ago never will. When a write of TLS's own fails (what follows a
 * handshake, to a peer that is gone by then), Node takes it to be under way for good, and all later ones wait for it: the
 * connection below has nothing left to send.
 */
export const isForgotten = (socket: Socket): boolean => handleOf(socket)?._parent?.writeQueueSize === 0;

/**
 * Closes a connection with a reset, over TLS as well: there an end without a reset would look like any other. False, and
 * nothing done, where that cannot be: unix-domain sockets have none, the public API has it for plain TCP only, and the
 * system refuses it (libuv: for good, the socket could never be closed) while it is still sending an end.
 */
export function abruptly(socket: Socket): boolean {
  if (socket.writableEnded && !socket.writableFinished) return false;
  const handle = handleOf(socket);
  const tcp = handle?._parent ?? handle;
  if (adapter.mode === 'direct' && typeof tcp?.reset === 'function' && typeof tcp.close === 'function') {
    tcp.close = tcp.reset;
    socket.destroy();
    return true;
  }
  if (socket.remoteAddress === undefined || 'encrypted' in socket) return false;
  socket.resetAndDestroy();
  return true;
}
