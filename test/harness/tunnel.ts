import { websocketAccept as acceptOf } from '../../sidecar/http/upgrade.ts';
import type { RawClient } from './client.ts';
import { type RawOrigin, type RawPeer, rawOrigin } from './origin.ts';
import { startTestSidecar, type TestSidecar, type TestSidecarOptions } from './sidecar.ts';
import { until } from './until.ts';

/** The pair of RFC 6455 section 1.3. */
export const websocketKey = 'dGhlIHNhbXBsZSBub25jZQ==';
export const websocketAccept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** What a WebSocket client of HTTP/1.1 says first. */
export const askText = (target = '/', ...fields: readonly string[]): string =>
  `${[
    `GET ${target} HTTP/1.1`,
    'Host: web',
    'Connection: keep-alive, Upgrade',
    'Upgrade: WebSocket',
    `Sec-WebSocket-Key: ${websocketKey}`,
    'Sec-WebSocket-Version: 13',
    ...fields,
  ].join('\r\n')}\r\n\r\n`;

/** What its server answers. */
export const acceptText = (...fields: readonly string[]): string =>
  `${[
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${websocketAccept}`,
    ...fields,
  ].join('\r\n')}\r\n\r\n`;

/** The same to whoever asked with this head. */
export const acceptTo = (head: string, ...fields: readonly string[]): string => {
  const [, key = ''] = /\r\nsec-websocket-key: *([^ \r]*)/i.exec(head) ?? [];
  return acceptText(...fields).replace(websocketAccept, acceptOf(key));
};

/** Takes the head of an answer that has no end; what comes behind it is left to `octets`. Gives the head. */
export async function takeHead({ octets }: Pick<RawClient, 'octets'>): Promise<string> {
  const head = await octets.until('the head of an answer', (text) => {
    const end = text.indexOf('\r\n\r\n');
    return end < 0 ? undefined : text.slice(0, end + 4);
  });
  octets.drop(head.length);
  return head;
}

/** Asks for a WebSocket and takes the answer that grants it. */
export async function goOver(client: RawClient, target = '/'): Promise<void> {
  await client.send(askText(target));
  const head = await takeHead(client);
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`refused: ${JSON.stringify(head)}`);
}

/** For rawOrigin: grants every wish, then does as told. */
export const accepting =
  (then: (peer: RawPeer) => void | Promise<void> = () => undefined) =>
  async (peer: RawPeer): Promise<void> => {
    peer.write(acceptTo(await peer.head()));
    await then(peer);
  };

/** Waits until the other end has sent exactly this. */
export const heard = (end: Pick<RawClient, 'octets'>, what: string): Promise<true> =>
  end.octets.until(JSON.stringify(what), (text) => text === what || undefined);

/** Resolves when the other end has ended or broken the connection. */
export const ended = (end: Pick<RawPeer, 'octets'>): Promise<true> =>
  end.octets.until('the end', (_, over) => over || undefined);

/** For `accepting`: says back what it hears. */
export const echo = ({ socket }: RawPeer): void => {
  socket.on('data', (text: string) => void socket.write(text, 'latin1'));
  socket.on('end', () => socket.end());
};

export interface Tunnelled extends AsyncDisposable {
  readonly origin: RawOrigin;
  readonly sidecar: TestSidecar;
  readonly client: RawClient;
}

/** A service `web` that does what the script says on each connection, a sidecar, and a caller that has said nothing yet. */
export async function tunnelled(
  script: (peer: RawPeer) => void | Promise<void>,
  options: TestSidecarOptions = {},
): Promise<Tunnelled> {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await rawOrigin(script));
  const sidecar = stack.use(await startTestSidecar({ services: { web: [origin.address] }, ...options }));
  const client = stack.use(await sidecar.client());
  const owned = stack.move();
  return { origin, sidecar, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The record of the only exchange, as soon as it has ended. */
export async function recordOf({ sidecar }: Tunnelled): Promise<TestSidecar['records'][number]> {
  await until('the exchange has ended', () => sidecar.records.length === 1);
  return sidecar.records[0]!;
}
