import { Head } from '../message/head.ts';
import { RequestInfo } from '../message/request.ts';
import { ResponseInfo } from '../message/response.ts';
import { isWebsocketKey, websocketAccept } from '../upgrade.ts';
import { readRequest } from './request.ts';
import { readResponse } from './response.ts';
import { scanRequest, scanResponse } from './scan.ts';
import { acceptFields, askFields, readUpgrade, switchProblem, tunnelKey } from './tunnel.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';

function request(...fields: readonly string[]): { head: Head; info: RequestInfo } {
  const [head, info] = [new Head(), new RequestInfo()];
  const text = `${['GET / HTTP/1.1', 'Host: web', ...fields].join('\r\n')}\r\n\r\n`;
  expect(scanRequest(head, Buffer.from(text, 'latin1'), 0, text.length)).toBe(text.length);
  expect(readRequest(head, info)).toBe(true);
  return { head, info };
}

const read = (allowed: string, ...fields: readonly string[]): RequestInfo => {
  const { head, info } = request(...fields);
  readUpgrade(head, info, new Set(allowed.split(',')));
  return info;
};

test('a request for a protocol of the list is a tunnel, whatever the case of its name', () => {
  const info = read('echo,websocket', 'Connection: a, Upgrade', 'Upgrade: WEBSOCKET', `Sec-WebSocket-Key: ${key}`);
  expect([info.upgrade, info.framing]).toEqual(['websocket', 'tunnel']);
  expect(read('echo/1', 'Connection: upgrade', 'Upgrade: Echo/1').upgrade).toBe('echo/1');
});

test.each([
  ['websocket', ['Connection: upgrade', 'Upgrade: websocket']],
  ['websocket', ['Upgrade: websocket', `Sec-WebSocket-Key: ${key}`]],
  ['websocket', ['Connection: upgrade', 'Upgrade: websocket/1', `Sec-WebSocket-Key: ${key}`]],
  ['echo', ['Connection: upgrade', 'Upgrade: echo', 'Upgrade: echo']],
  ['echo', ['Connection: upgrade', 'Upgrade: echo, echo']],
  ['echo', ['Connection: upgrade', 'Upgrade:']],
])('of %s: %j is none', (allowed, fields) => {
  const info = read(allowed, ...fields);
  expect([info.upgrade, info.framing]).toEqual(['', 'none']);
});

describe('the key for an endpoint', () => {
  const of = (...fields: readonly string[]): string => {
    const { head, info } = request(...fields);
    info.upgrade = 'websocket';
    return tunnelKey({ head, info });
  };

  test('is the one of the caller, and a new one where that has none, as over HTTP/2', () => {
    expect(of(`Sec-WebSocket-Key: ${key}`)).toBe(key);
    for (const fields of [[], ['Sec-WebSocket-Key: x'], [`Sec-WebSocket-Key: ${key}`, `Sec-WebSocket-Key: ${key}`]]) {
      const made = of(...fields);
      expect([isWebsocketKey(made), made === key]).toEqual([true, false]);
    }
  });

  test('is for WebSocket only', () => {
    const { head, info } = request(`Sec-WebSocket-Key: ${key}`);
    info.upgrade = 'echo';
    expect(askFields('echo', tunnelKey({ head, info }))).toBe('connection: upgrade\r\nupgrade: echo\r\n');
  });
});

test('the answer to a caller is made of its own key, whatever the endpoint has said', () => {
  const { head, info } = request('Connection: upgrade', 'Upgrade: websocket', `Sec-WebSocket-Key: ${key}`);
  readUpgrade(head, info, new Set(['websocket']));
  expect(acceptFields({ head, info })).toBe(
    `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${websocketAccept(key)}\r\n`,
  );
});

test.each([
  ['Connection: upgrade', 'Upgrade: websocket', `Sec-WebSocket-Accept: ${websocketAccept(key)}`],
  ['Connection: close, UPGRADE', 'Upgrade: WebSocket', `Sec-WebSocket-Accept:${websocketAccept(key)} `],
])('an endpoint may accept with %s, %s and %s', (...fields) => {
  const [head, info] = [new Head(), new ResponseInfo()];
  const text = `${['HTTP/1.1 101', ...fields].join('\r\n')}\r\n\r\n`;
  expect(scanResponse(head, Buffer.from(text, 'latin1'), 0, text.length)).toBe(text.length);
  expect(readResponse(head, info, false)).toBe(true);
  expect(switchProblem(head, info, 'websocket', key)).toBe('');
  expect(switchProblem(head, info, 'echo', '')).not.toBe('');
});
