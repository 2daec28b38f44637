import { parseAuthority } from './host.ts';

test.each([
  ['web', 'web', 0],
  ['WEB', 'web', 0],
  ['web.', 'web', 0],
  ['web.mesh:8080', 'web.mesh', 8080],
  ['web.mesh.:80', 'web.mesh', 80],
  ['a-b_c.d', 'a-b_c.d', 0],
  ['127.0.0.1:1', '127.0.0.1', 1],
  ['[::1]', '[::1]', 0],
  ['[FE80::1]:65535', '[fe80::1]', 65535],
  ['1', '1', 0],
])('%j is host %j, port %d', (text, host, port) => {
  expect(parseAuthority(text)).toEqual({ host, port });
});

test.each([
  '',
  '.',
  '.web',
  'a..b',
  ':80',
  'web:',
  'web:x',
  'web:-1',
  'web:65536',
  'web:080808',
  'web:80:80',
  'web, other',
  'web other',
  ' web',
  'web ',
  'user@web',
  'web/a',
  'web?a',
  'web#a',
  'web\\a',
  'w%65b',
  'w\xe9b',
  'w\u212ab',
  'web\0',
  'web\n',
  '::1',
  '[::1',
  '[::1]x',
  '[x]',
  '[::1%25eth0]',
  '-web',
  'a'.repeat(300),
])('%j is no host', (text) => {
  expect(parseAuthority(text)).toBeUndefined();
});
