import { isWebsocketKey, newWebsocketKey, parseUpgrades, websocketAccept } from './upgrade.ts';

test('the accept of a key is that of RFC 6455', () => {
  expect(websocketAccept('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('a key is 16 octets in base64, and each new one is another', () => {
  const keys = Array.from({ length: 10 }, newWebsocketKey);
  expect(keys.every(isWebsocketKey)).toBe(true);
  expect(new Set(keys).size).toBe(10);
  for (const bad of ['', 'dGhlIHNhbXBsZSBub25jZQ', 'dGhlIHNhbXBsZSBub25jZQ==\n', 'dGhlIHNhbXBsZSBub25j', 'a b'])
    expect([bad, isWebsocketKey(bad)]).toEqual([bad, false]);
});

test.each([
  ['websocket', ['websocket']],
  ['WebSocket, spdy/3.1', ['websocket', 'spdy/3.1']],
  ['none', []],
])('%s is a list of protocols', (text, list) => {
  expect([...parseUpgrades(text)!]).toEqual(list);
});

test.each(['', 'websocket,', 'a b', 'a/b/c', 'h2c', 'websocket, H2C', 'h2', 'TLS/1.2', 'HTTP/2.0', 'x'.repeat(65)])(
  '%j is refused: what it carries would be judged by nobody, or it is no protocol',
  (text) => {
    expect(parseUpgrades(text)).toBeUndefined();
  },
);
