import { exchange } from '../../test/harness/exchange.ts';
import { backendRefs, compileRoute } from '../../test/harness/route.ts';
import type { Reply } from '../policy.ts';

describe('filters', () => {
  async function run(filters: object[], given: Parameters<typeof exchange>[0] = {}, rule: object = { backendRefs }) {
    const [compiled] = await compileRoute({ rules: [{ filters, ...rule }] });
    const ex = exchange(given);
    let reply: Reply | undefined;
    for (const one of compiled!.filters) reply ??= one.onRequest?.(ex) as Reply | undefined;
    for (const one of compiled!.filters) one.onResponse?.(ex);
    return { ex, reply };
  }

  test('set, add and remove fields of the request and of the response', async () => {
    const change = { set: [{ name: 'A', value: '1' }], add: [{ name: 'B', value: '2' }], remove: ['C'] };
    const { ex } = await run(
      [
        { type: 'RequestHeaderModifier', requestHeaderModifier: change },
        { type: 'ResponseHeaderModifier', responseHeaderModifier: change },
      ],
      {
        headers: [
          ['a', 'old'],
          ['b', 'old'],
          ['c', 'old'],
          ['a', 'older'],
        ],
      },
    );
    expect(ex.request.list).toEqual([
      ['b', 'old'],
      ['a', '1'],
      ['b', '2'],
    ]);
    expect(ex.response.list).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
  });

  // The table of HTTPPathModifier.replacePrefixMatch in the Gateway API.
  test.each([
    ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
    ['/foo', '/foo', '/xyz', '/xyz'],
    ['/foo/', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', '', '/bar'],
    ['/foo/', '/foo', '', '/'],
    ['/foo', '/foo', '', '/'],
    ['/foo/', '/foo', '/', '/'],
    ['/foo', '/foo', '/', '/'],
    ['/foo', '/', '/xyz', '/xyz/foo'],
  ])('replace the prefix of %s: %s by "%s" gives %s', async (path, value, replacePrefixMatch, expected) => {
    const matches = [{ path: { value } }];
    const to = { type: 'ReplacePrefixMatch', replacePrefixMatch };
    const { ex } = await run(
      [{ type: 'URLRewrite', urlRewrite: { hostname: 'other', path: to } }],
      { path },
      { matches, backendRefs },
    );
    expect(ex.rewrites).toEqual({ host: 'other', path: expected });
  });

  test('replace the whole path', async () => {
    const to = { type: 'ReplaceFullPath', replaceFullPath: '/x' };
    expect((await run([{ type: 'URLRewrite', urlRewrite: { path: to } }], { path: '/a/b' })).ex.rewrites).toEqual({
      path: '/x',
    });
  });

  test.each<[object, string]>([
    [{}, '302 /a/b?q=1'],
    [{ statusCode: 308 }, '308 /a/b?q=1'],
    [{ scheme: 'https' }, '302 https://web/a/b?q=1'],
    [{ scheme: 'https', port: 8443 }, '302 https://web:8443/a/b?q=1'],
    [{ scheme: 'https', port: 443 }, '302 https://web/a/b?q=1'],
    [{ hostname: 'shop.example' }, '302 http://shop.example:8080/a/b?q=1'],
    [{ hostname: 'shop.example', port: 80 }, '302 http://shop.example/a/b?q=1'],
    [{ path: { type: 'ReplaceFullPath', replaceFullPath: '/x' } }, '302 /x?q=1'],
    [{ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/x' } }, '302 /x/b?q=1'],
  ])('redirect with %j: %s', async (requestRedirect, expected) => {
    const given = { path: '/a/b', query: 'q=1', headers: [['host', 'web:8080']] as const };
    const { reply } = await run([{ type: 'RequestRedirect', requestRedirect }], given, {
      matches: [{ path: { value: '/a' } }],
    });
    expect(`${reply?.status} ${reply?.headers[0]?.[1]}`).toBe(expected);
    expect(reply).toMatchObject({ code: 'REDIRECT', policy: 'HTTPRoute shop/r' });
  });

  test('timeouts of a rule overrule what was set before, also towards more time', async () => {
    const limits = { startMs: 100, deadlineMs: 200, attemptTimeoutMs: 50 };
    const rule = (timeouts: object) => ({ backendRefs, timeouts });
    expect((await run([], limits, rule({ request: '1s', backendRequest: '300ms' }))).ex).toMatchObject({
      deadlineMs: 1100,
      attemptTimeoutMs: 300,
    });
    expect((await run([], limits, rule({ request: '0s', backendRequest: '0s' }))).ex).toMatchObject({
      deadlineMs: Infinity,
      attemptTimeoutMs: Infinity,
    });
    expect((await run([], limits, rule({ backendRequest: '10ms' }))).ex).toMatchObject({
      deadlineMs: 200,
      attemptTimeoutMs: 10,
    });
  });

  test('answer 500 when the weights of all backends are 0', async () => {
    const { reply } = await run([], {}, { backendRefs: [{ name: 'web', port: 80, weight: 0 }] });
    expect(reply).toEqual({ code: 'NO_BACKEND', status: 500, headers: [], policy: 'HTTPRoute shop/r' });
  });
});
