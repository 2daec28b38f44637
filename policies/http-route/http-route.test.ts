import fc from 'fast-check';
import { compileEnv } from '../../test/harness/compile-env.ts';
import { exchange, type PlainExchange } from '../../test/harness/exchange.ts';
import { backendRefs, compileRoute, parseRoute } from '../../test/harness/route.ts';
import { filter } from './filter.ts';

const oneMatch = async (match: object) =>
  (await compileRoute({ rules: [{ matches: [match], backendRefs }] }))[0]!.matches[0]!;

describe('a path match', () => {
  test.each([
    ['Exact', '/shop', '/shop', true],
    ['Exact', '/shop', '/shop/', false],
    ['Exact', '/shop', '/shop/cart', false],
    ['Exact', '/shop', '/Shop', false],
    ['Exact', '/caf%c3%a9', '/caf%C3%A9', true],
    ['Exact', '/%41', '/A', true],
    ['PathPrefix', '/', '/anything/at/all', true],
    ['PathPrefix', '/abc', '/abc', true],
    ['PathPrefix', '/abc', '/abc/', true],
    ['PathPrefix', '/abc', '/abc/def', true],
    ['PathPrefix', '/abc', '/abcd', false],
    ['PathPrefix', '/abc', '/ab', false],
    ['PathPrefix', '/abc/', '/abc', true],
    ['PathPrefix', '/abc/', '/abc/def', true],
    ['PathPrefix', '/abc/', '/abcd', false],
    ['PathPrefix', '/abc/def', '/abc', false],
    ['RegularExpression', '/item/[0-9]+', '/item/12', true],
    ['RegularExpression', '/item/[0-9]+', '/item/12/x', false],
    ['RegularExpression', '/item/[0-9]+', '/an/item/12', false],
    ['RegularExpression', '/a|/b', '/bc', false],
  ])('%s %s of %s: %s', async (type, value, path, expected) => {
    const match = await oneMatch({ path: { type, value } });
    expect(match.matches(exchange({ path }))).toBe(expected);
  });

  test('is for every path when it is absent', async () => {
    for (const rule of [{ backendRefs }, { backendRefs, matches: [{}] }, { backendRefs, matches: [{ path: {} }] }]) {
      const [compiled] = await compileRoute({ rules: [rule] });
      expect(compiled!.matches.map((match) => match.matches(exchange({ path: '/x' })))).toEqual([true]);
    }
  });

  test('by an expression takes time linear in the path', async () => {
    const match = await oneMatch({ path: { type: 'RegularExpression', value: '(a+)+b' } });
    const start = performance.now();
    expect(match.matches(exchange({ path: `/${'a'.repeat(8000)}` }))).toBe(false);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('other conditions', () => {
  const yes = [{ name: 'X-Beta', value: 'yes' }];
  test.each<[string, object, Partial<PlainExchange> & { headers?: [string, string][] }, boolean]>([
    ['method', { method: 'POST' }, { method: 'POST' }, true],
    ['other method', { method: 'POST' }, { method: 'GET' }, false],
    ['header, whatever the case of its name', { headers: yes }, { headers: [['x-beta', 'yes']] }, true],
    ['header with another value', { headers: yes }, { headers: [['x-beta', 'Yes']] }, false],
    ['header that is absent', { headers: yes }, {}, false],
    ['empty header', { headers: [{ name: 'a', value: '' }] }, { headers: [['a', '']] }, true],
    [
      'header that is repeated',
      { headers: [{ name: 'a', value: 'x, y' }] },
      {
        headers: [
          ['a', 'x'],
          ['a', 'y'],
        ],
      },
      true,
    ],
    [
      'one of the values of a repeated header',
      { headers: [{ name: 'a', value: 'x' }] },
      {
        headers: [
          ['a', 'x'],
          ['a', 'y'],
        ],
      },
      false,
    ],
    [
      'header expression',
      { headers: [{ type: 'RegularExpression', name: 'a', value: 'v[12]' }] },
      { headers: [['a', 'v2']] },
      true,
    ],
    [
      'header expression on a part',
      { headers: [{ type: 'RegularExpression', name: 'a', value: 'v[12]' }] },
      { headers: [['a', 'v2x']] },
      false,
    ],
    [
      'first of two entries for one header',
      { headers: [...yes, { name: 'x-beta', value: 'no' }] },
      { headers: [['x-beta', 'yes']] },
      true,
    ],
    ['query parameter', { queryParams: [{ name: 'v', value: '2' }] }, { query: 'a=1&v=2' }, true],
    ['query parameter in another case', { queryParams: [{ name: 'V', value: '2' }] }, { query: 'v=2' }, false],
    ['encoded query parameter', { queryParams: [{ name: 'a b', value: 'é&' }] }, { query: 'a+b=%C3%A9%26' }, true],
    ['query parameter without value', { queryParams: [{ name: 'v', value: '' }] }, { query: 'v' }, true],
    ['query parameter that is absent', { queryParams: [{ name: 'v', value: '' }] }, { query: 'x=v' }, false],
    ['second of two query parameters', { queryParams: [{ name: 'v', value: '2' }] }, { query: 'v=1&v=2' }, false],
    ['escapes that are none', { queryParams: [{ name: 'v', value: '%zz' }] }, { query: 'v=%zz' }, true],
    [
      'query expression',
      { queryParams: [{ type: 'RegularExpression', name: 'v', value: '[0-9]+' }] },
      { query: 'v=12' },
      true,
    ],
    [
      'all of them',
      { method: 'GET', headers: yes, path: { value: '/a' } },
      { path: '/a', headers: [['x-beta', 'yes']] },
      true,
    ],
    [
      'not all of them',
      { method: 'GET', headers: yes, path: { value: '/a' } },
      { path: '/b', headers: [['x-beta', 'yes']] },
      false,
    ],
  ])('%s', async (_, match, given, expected) => {
    expect((await oneMatch(match)).matches(exchange(given))).toBe(expected);
  });
});

describe('precedence', () => {
  const header = (n: number) => Array.from({ length: n }, (_, i) => ({ name: `h${i}`, value: 'x' }));
  // From the Gateway API, HTTPRouteRule.matches; each line goes before the next.
  const ordered = [
    { path: { type: 'Exact', value: '/a' } },
    { path: { type: 'RegularExpression', value: '/aaaa.*' } },
    { path: { type: 'RegularExpression', value: '/.*' } },
    { path: { value: '/aaa' }, queryParams: header(1) },
    { path: { value: '/aa' }, method: 'GET', headers: header(16), queryParams: header(16) },
    { path: { value: '/aa' }, method: 'GET', headers: header(2) },
    { path: { value: '/aa' }, method: 'GET', headers: header(1), queryParams: header(9) },
    { path: { value: '/aa' }, method: 'GET', queryParams: header(1) },
    { path: { value: '/aa' }, method: 'GET' },
    { path: { value: '/aa' }, headers: header(16), queryParams: header(16) },
    { path: { value: '/aa' }, queryParams: header(2) },
    { path: { value: '/aa' }, queryParams: header(1) },
    { path: { value: '/aa/' } },
    { method: 'GET', headers: header(16), queryParams: header(16) },
    {},
  ];

  test('is that of the Gateway API', async () => {
    const [rule] = await compileRoute({ rules: [{ matches: ordered, backendRefs }] });
    const ranks = rule!.matches.map((match) => match.rank);
    for (let i = 1; i < ranks.length; i++) expect([i, ranks[i - 1]! > ranks[i]!]).toEqual([i, true]);
  });

  test('does not tell apart what is equally specific, and entries that do not count do not count', async () => {
    const rank = async (match: object) => (await oneMatch(match)).rank;
    expect(await rank({ path: { value: '/a' } })).toBe(await rank({ path: { value: '/b/' } }));
    expect(
      await rank({
        headers: [
          { name: 'a', value: '1' },
          { name: 'A', value: '2' },
        ],
      }),
    ).toBe(await rank({ headers: header(1) }));
  });
});

test('rules keep their order, parents and backends with namespaces filled in', async () => {
  const rules = await compileRoute({
    parentRefs: [
      { name: 'web', port: 80 },
      { name: 'web' },
      { name: 'cart', namespace: 'other', group: '', kind: 'Service' },
    ],
    hostnames: ['shop.example.com', '*.example.com'],
    rules: [
      {
        name: 'beta',
        backendRefs: [
          { name: 'a', port: 80, weight: 3 },
          { name: 'b', namespace: 'other', port: 81 },
          { name: 'c', port: 1, weight: 0 },
        ],
      },
      { backendRefs },
    ],
  });
  expect(rules[0]).toMatchObject({
    name: 'HTTPRoute shop/r rule beta',
    target: { kind: 'Route', namespace: 'shop', name: 'r' },
    parents: ['shop/web', 'other/cart'],
    hostnames: ['shop.example.com', '*.example.com'],
    backends: [
      { namespace: 'shop', service: 'a', port: 80, weight: 3 },
      { namespace: 'other', service: 'b', port: 81, weight: 1 },
    ],
  });
  expect(rules[1]?.name).toBe('HTTPRoute shop/r rule 2');
});

test('any expression either is refused by the schema or compiles, and then answers for any path', async () => {
  await filter.prepare?.([
    (await parseRoute({ rules: [{ backendRefs, matches: [{ path: { type: 'RegularExpression', value: 'a' } }] }] }))
      .resource!.spec,
  ]);
  const piece = fc.constantFrom(
    'a',
    '/',
    '(',
    ')',
    '[',
    ']',
    '*',
    '+',
    '?',
    '|',
    '\\',
    '{2}',
    '{2,}',
    '^',
    '$',
    '.',
    '(?i)',
    '[^a]',
    '\\d',
    '\\p{L}',
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), fc.string(), (pieces, path) => {
      const { resource, problems } = parseRoute({
        rules: [{ backendRefs, matches: [{ path: { type: 'RegularExpression', value: pieces.join('') } }] }],
      });
      if (resource === undefined) return expect(problems).toHaveLength(1);
      const [rule] = filter.compileRoute!(resource, compileEnv());
      expect(typeof rule!.matches[0]!.matches(exchange({ path }))).toBe('boolean');
    }),
    { numRuns: 300 },
  );
});

test.each<[string, object, string]>([
  [
    'path',
    { matches: [{ path: { type: 'Glob', value: '/*' }, headers: [], queryParams: [] }] },
    'matches of type Glob',
  ],
  [
    'header',
    {
      matches: [
        { path: { type: 'Exact', value: '/' }, headers: [{ type: 'Glob', name: 'a', value: '*' }], queryParams: [] },
      ],
    },
    'matches of type Glob',
  ],
  ['filter', { filters: [{ type: 'CORS' }] }, 'filters of type CORS'],
])('a %s of a type that only a newer control plane knows is an issue, not a match of everything', (_, fields, what) => {
  const { resource } = parseRoute({ rules: [{ backendRefs }, { backendRefs }] });
  const spec = structuredClone(resource!.spec) as { rules: object[] };
  Object.assign(spec.rules[1]!, fields);
  const env = compileEnv();
  filter.compileRoute!({ ...resource!, spec }, env);
  expect(env.issues.list).toEqual([{ path: 'spec.rules[1]', message: `this sidecar does not know ${what}` }]);
});
