import { backendRefs, parseRoute } from '../../test/harness/route.ts';

describe('what is refused', () => {
  const rule = (fields: object) => ({ rules: [{ backendRefs, ...fields }] });
  const path = (type: string, value: string) => rule({ matches: [{ path: { type, value } }] });
  const change = (set: object) =>
    rule({ filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [set] } }] });
  const prefix = { type: 'ReplacePrefixMatch', replacePrefixMatch: '/x' };
  test.each<[object, string]>([
    [path('Exact', 'shop'), "spec.rules[0].matches[0].path.value: must begin with /, not 'shop'"],
    [path('Exact', '/a/../b'), "spec.rules[0].matches[0].path.value: '/a/../b' must not contain the segments . or .."],
    [
      path('Exact', '/a/%2e%2E'),
      "spec.rules[0].matches[0].path.value: '/a/%2e%2E' must not contain the segments . or ..",
    ],
    [path('PathPrefix', '/a//b'), "spec.rules[0].matches[0].path.value: '/a//b' must not contain //, %2F, %5C or %00"],
    [
      path('PathPrefix', '/a%2fb'),
      "spec.rules[0].matches[0].path.value: '/a%2fb' must not contain //, %2F, %5C or %00",
    ],
    [
      path('PathPrefix', '/a?b=c'),
      "spec.rules[0].matches[0].path.value: '/a?b=c' must be a path alone, without ? or #",
    ],
    [
      path('PathPrefix', '/é'),
      "spec.rules[0].matches[0].path.value: '/é' has characters that must be written as %XX in a path",
    ],
    [
      path('PathPrefix', `/${'a'.repeat(1024)}`),
      'spec.rules[0].matches[0].path.value: must have at most 1024 characters',
    ],
    [
      path('RegularExpression', '/(?=a)'),
      "spec.rules[0].matches[0].path.value: '/(?=a)' is not a regular expression of RE2 (no look-around, no back-references): invalid or unsupported Perl syntax: `(?=`",
    ],
    [
      path('RegularExpression', '(a{1000}){1000}'),
      "spec.rules[0].matches[0].path.value: '(a{1000}){1000}' is not a regular expression of RE2 (no look-around, no back-references): invalid repeat count: `{1000}`",
    ],
    [
      rule({ matches: [{ headers: [{ name: 'a', type: 'RegularExpression', value: 'x'.repeat(1025) }] }] }),
      'spec.rules[0].matches[0].headers[0].value: must have at most 1024 characters',
    ],
    [
      rule({ matches: [{ headers: [{ name: 'a b', value: 'x' }] }] }),
      "spec.rules[0].matches[0].headers[0].name: 'a b' is not the name of a header field",
    ],
    [rule({ matches: [] }), 'spec.rules[0].matches: must have at least 1 entry'],
    [
      rule({ matches: [{ method: 'get' }] }),
      "spec.rules[0].matches[0].method: must be one of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH, not 'get'; did you mean 'GET'?",
    ],
    [
      change({ name: 'Host', value: 'x' }),
      'spec.rules[0].filters[0].requestHeaderModifier.set[0].name: host cannot be changed here; use hostname of a URLRewrite filter',
    ],
    [
      change({ name: 'Content-Length', value: '1' }),
      "spec.rules[0].filters[0].requestHeaderModifier.set[0].name: 'Content-Length' is set by the mesh and cannot be changed",
    ],
    [
      change({ name: 'x-forwarded-client-cert', value: '1' }),
      "spec.rules[0].filters[0].requestHeaderModifier.set[0].name: 'x-forwarded-client-cert' is set by the mesh and cannot be changed",
    ],
    [
      change({ name: 'a', value: 'x\r\ny: z' }),
      "spec.rules[0].filters[0].requestHeaderModifier.set[0].value: 'x\\r\\ny: z' is not the value of a header field: printable characters, no space at either end",
    ],
    [
      rule({ filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: {} }] }),
      'spec.rules[0].filters[0].requestHeaderModifier: changes nothing: give set, add or remove',
    ],
    [
      rule({ filters: [{ type: 'RequestMirror', requestMirror: {} }] }),
      "spec.rules[0].filters[0].type: filter 'RequestMirror' is not supported by this version; supported are RequestHeaderModifier, ResponseHeaderModifier, URLRewrite, RequestRedirect",
    ],
    [
      rule({ filters: [{ type: 'URLRewrite' }] }),
      'spec.rules[0].filters[0].urlRewrite: is required: an object with fields',
    ],
    [
      rule({ filters: [{ type: 'URLRewrite', urlRewrite: {} }] }),
      'spec.rules[0].filters[0].urlRewrite: changes nothing: give hostname or path',
    ],
    [
      rule({ filters: [{ type: 'URLRewrite', urlRewrite: { path: prefix } }], matches: [{}, {}] }),
      'spec.rules[0].filters[0].urlRewrite.path.type: ReplacePrefixMatch needs exactly one match in the rule, and that of type PathPrefix',
    ],
    [
      {
        rules: [
          {
            filters: [{ type: 'RequestRedirect', requestRedirect: { path: prefix } }],
            matches: [{ path: { type: 'Exact', value: '/a' } }],
          },
        ],
      },
      'spec.rules[0].filters[0].requestRedirect.path.type: ReplacePrefixMatch needs exactly one match in the rule, and that of type PathPrefix',
    ],
    [
      rule({ filters: [{ type: 'RequestRedirect', requestRedirect: {} }] }),
      'spec.rules[0].backendRefs: must be left out: RequestRedirect answers every request of the rule',
    ],
    [
      rule({ filters: [{ type: 'RequestRedirect', requestRedirect: { statusCode: 200 } }] }),
      'spec.rules[0].filters[0].requestRedirect.statusCode: must be one of 301, 302, 303, 307, 308, not 200',
    ],
    [
      rule({ filters: [1, 2].map(() => ({ type: 'URLRewrite', urlRewrite: { hostname: 'a' } })) }),
      'spec.rules[0].filters[1].type: URLRewrite stands in this rule twice; join the two',
    ],
    [{ rules: [{}] }, 'spec.rules[0]: sends requests nowhere: add backendRefs, or a RequestRedirect filter'],
    [
      rule({ timeouts: { request: '1s', backendRequest: '2s' } }),
      'spec.rules[0].timeouts.backendRequest: must not be above request',
    ],
    [
      rule({ retry: { attempts: 2 } }),
      'spec.rules[0].retry: is not supported by this version; use a RetryPolicy with this route in targetRefs',
    ],
    [
      { rules: [{ backendRefs: [{ name: 'web' }] }] },
      'spec.rules[0].backendRefs[0].port: is required: a whole number from 1 to 65535',
    ],
    [{ rules: [1, 2].map(() => ({ name: 'a', backendRefs })) }, "spec.rules[1].name: two rules have the name 'a'"],
    [
      { rules: Array.from({ length: 3 }, () => ({ backendRefs, matches: Array.from({ length: 60 }, () => ({})) })) },
      'spec.rules: must have at most 128 matches in all',
    ],
    [
      { ...rule({}), hostnames: ['10.0.0.1'] },
      "spec.hostnames[0]: '10.0.0.1' is not a host name such as shop.example.com or *.example.com: lower case, no port, no IP address",
    ],
    [
      { ...rule({}), parentRefs: [{ kind: 'Gateway', name: 'g' }] },
      'spec.parentRefs[0].kind: kind Gateway is not supported by this version; supported is Service',
    ],
    [
      { ...rule({}), parentRefs: [{ name: 'g', sectionName: 'x' }] },
      'spec.parentRefs[0].sectionName: is not supported by this version; leave it out: the route takes the requests for every port',
    ],
    [{ ...rule({}), parentRefs: [{ name: 'g' }, { name: 'g' }] }, "spec.parentRefs[1]: service 'g' stands here twice"],
  ])('%#: %j', (spec, expected) => {
    expect(parseRoute(spec).problems).toEqual([expected]);
  });
});
