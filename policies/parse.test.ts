import { formatIssue, Issues } from '../lib/issues.ts';
import { parseDocuments } from './documents.ts';
import { loadSchemas } from './load.ts';
import { parseResource } from './parse.ts';

const schemas = await loadSchemas();
const problems = (text: string) => parseDocuments(text, 'mesh.yaml', schemas).issues.map(formatIssue);

describe('a text', () => {
  test('may have several documents, and each resource knows where its fields stand', () => {
    const text = `apiVersion: weft.dev/v1
kind: Service
metadata: { name: web }
spec:
  ports:
    - port: 8080
---
---
{"apiVersion": "weft.dev/v1", "kind": "TimeoutPolicy", "metadata": {"name": "t", "namespace": "shop", "labels": {"a/b": "c"}},
 "spec": {"targetRefs": [{"kind": "Mesh"}], "request": "1.5s"}}
`;
    const { resources, issues } = parseDocuments(text, 'mesh.yaml', schemas);
    expect(issues).toEqual([]);
    expect(resources.map(({ resource, index }) => [index, resource])).toEqual([
      [
        0,
        {
          apiVersion: 'weft.dev/v1',
          kind: 'Service',
          metadata: { name: 'web', namespace: 'default' },
          spec: { ports: [{ port: 8080, protocol: 'http' }], endpoints: [] },
        },
      ],
      [
        1,
        {
          apiVersion: 'weft.dev/v1',
          kind: 'TimeoutPolicy',
          metadata: { name: 't', namespace: 'shop', labels: { 'a/b': 'c' } },
          spec: { targetRefs: [{ kind: 'Mesh' }], requestMs: 1500 },
        },
      ],
    ]);
    const [web, policy] = resources;
    expect(web?.position('spec.ports[0].port')).toEqual({ line: 6, column: 13 });
    expect(web?.position('spec.ports')).toEqual({ line: 5, column: 3 });
    expect(web?.position('spec.ports[7].protocol')).toEqual({ line: 5, column: 3 });
    expect(web?.position('')).toEqual({ line: 1, column: 1 });
    expect(policy?.position('spec.request')).toEqual({ line: 10, column: 56 });
  });

  test('may be a List as Kubernetes writes it, with what Kubernetes adds', () => {
    const text = `apiVersion: v1
kind: List
metadata: { resourceVersion: "" }
items:
  - apiVersion: weft.dev/v1
    kind: Service
    metadata: { name: web, uid: x, annotations: { a: b }, creationTimestamp: "2026-01-01T00:00:00Z" }
    spec: {}
    status: { ready: true }
  - apiVersion: weft.dev/v1
    kind: Service
    metadata: { name: cart }
    spec: { port: 80 }
`;
    const { resources, issues } = parseDocuments(text, 'mesh.yaml', schemas);
    expect(resources.map(({ resource }) => resource.metadata)).toEqual([{ name: 'web', namespace: 'default' }]);
    expect(issues.map(formatIssue)).toEqual([
      "mesh.yaml:13:13: items[1].spec.port: is not a field here; did you mean 'ports'?",
    ]);
  });

  test('without any resource is none', () => {
    for (const text of ['', '\n', '# nothing\n', '---\n---\n'])
      expect(parseDocuments(text, 'f', schemas)).toEqual({ resources: [], issues: [] });
  });

  test('may repeat a block by an alias, and a problem in it is told where it is repeated', () => {
    const text = `apiVersion: weft.dev/v1
kind: RetryPolicy
metadata: { name: a }
spec:
  targetRefs: [&one { kind: Service, name: a }, *one]
`;
    expect(problems(text)).toEqual(['mesh.yaml:4:1: spec: sets nothing: add at least one field besides targetRefs']);
  });
});

describe('problems', () => {
  test('are told all at once, each with its place and what would be right', () => {
    const text = `apiVersion: weft.dev/v2
kind: RetryPolicy
metadata: { name: Bad_Name, namespce: x, labels: { "no good": a } }
spec:
  targetRefs: [{kind: Service}, {kind: Mesh, name: x}, {kind: Sevice, name: y}]
  retires: 3
  retries: 50
  on: [connect-falure, 99, "503"]
  methods: [get]
  backoff: {base: 5, max: 1x}
  budget:
    percent: '3'
`;
    expect(problems(text)).toEqual([
      "mesh.yaml:1:13: apiVersion: must be weft.dev/v1, not 'weft.dev/v2'",
      "mesh.yaml:3:19: metadata.name: 'Bad_Name' is not a name: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit",
      "mesh.yaml:3:29: metadata.namespce: is not a field here; did you mean 'namespace'?",
      "mesh.yaml:3:63: metadata.labels.no good: is not a label name: at most 63 letters, digits, '-', '_' and '.', with an optional prefix such as example.com/",
      'mesh.yaml:5:16: spec.targetRefs[0].name: is required: the name of the Service',
      'mesh.yaml:5:52: spec.targetRefs[1].name: must be left out: there is one mesh only',
      "mesh.yaml:5:63: spec.targetRefs[2].kind: must be one of Mesh, Namespace, Service, HTTPRoute, not 'Sevice'; did you mean 'Service'?",
      "mesh.yaml:6:3: spec.retires: is not a field here; did you mean 'retries'?",
      'mesh.yaml:7:12: spec.retries: must be a whole number from 0 to 10, not 50',
      "mesh.yaml:8:8: spec.on[0]: must be one of connect-failure, refused, reset, attempt-timeout, gateway-error, 5xx, retriable-4xx, not 'connect-falure'; did you mean 'connect-failure'?",
      'mesh.yaml:8:24: spec.on[1]: must be a status from 400 to 599, not 99',
      "mesh.yaml:8:28: spec.on[2]: must be one of connect-failure, refused, reset, attempt-timeout, gateway-error, 5xx, retriable-4xx, not '503'; write a status as a number, without quotes",
      "mesh.yaml:9:13: spec.methods[0]: 'get' is not a method such as GET; methods are in capitals",
      'mesh.yaml:10:19: spec.backoff.base: must be a duration such as 250ms or 1.5s, not 5',
      "mesh.yaml:10:27: spec.backoff.max: '1x' is not a duration such as 250ms or 1.5s",
      "mesh.yaml:12:14: spec.budget.percent: must be a number, not '3'",
    ]);
  });

  test.each([
    ['hello', "1:1: must be an object with fields, not 'hello'"],
    ['[1]', '1:1: must be an object with fields, not a list'],
    ['{}', '1:1: apiVersion: is required: an API version such as weft.dev/v1'],
    [
      'kind: Servce',
      `1:7: kind: must be one of ${[...schemas.keys()].join(', ')}, not 'Servce'; did you mean 'Service'?`,
    ],
    ['kind: Service', '1:1: spec: is required: an object with fields'],
    ['kind: Service\nspec: 3', '2:7: spec: must be an object with fields, not 3'],
    ['kind: Service\nspec:\n  __proto__: 1', '3:3: spec.__proto__: is not a field here; known are ports, endpoints'],
    ['a: 1\nb: 2\na: 3', "3:1: the key 'a' stands here twice"],
    ['{"a": 1, "a": 2}', "1:10: the key 'a' stands here twice"],
    ['a: b: c', '1:4: is not valid YAML: Nested mappings are not allowed in compact mappings'],
    [
      'a: [1, 2',
      '1:9: is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['a: !!js/function x', '1:4: Unresolved tag: tag:yaml.org,2002:js/function'],
    ['a: *nothing', '1:4: no anchor &nothing stands before this'],
    ['a: &a [*a]', '1:8: *a stands within what it repeats'],
    ['a: &a [1]\nb: &b [*a]\nc: [*b]', '3:5: an alias of something that has aliases itself; write it out'],
    ['? [a]\n: 1', '1:3: a key must be a plain text'],
  ])('%j: %s', (text, expected) => {
    expect(problems(text)).toContainEqual(`mesh.yaml:${expected}`);
  });

  test('of one document do not hide another', () => {
    const good = 'apiVersion: weft.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: {}\n';
    const { resources, issues } = parseDocuments(`a: [\n---\n${good}`, 'mesh.yaml', schemas);
    expect(resources).toHaveLength(1);
    expect(issues).not.toEqual([]);
  });

  test('of an API body carry the index of the resource instead of a place', () => {
    const issues = new Issues();
    const raw = { apiVersion: 'weft.dev/v1', kind: 'Service', metadata: { name: 'a.b' }, spec: {} };
    expect(parseResource(raw, schemas, issues, 3)).toBeUndefined();
    expect(issues.list).toEqual([
      {
        path: 'metadata.name',
        resource: 3,
        message: "'a.b' is not the name of a service: at most 63 lower-case letters, digits and '-'",
      },
    ]);
  });
});

describe('limits', () => {
  test.each([
    [
      'a text of more than 1 MiB',
      `a: "${'x'.repeat(1024 * 1024)}"`,
      'is larger than 1 MiB; split it into several files',
    ],
    ['brackets without end', '['.repeat(20_000), 'is nested more than 64 deep'],
    [
      'deep blocks',
      Array.from({ length: 200 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      'is nested more than 64 deep',
    ],
    ['many documents', '---\na\n'.repeat(1500), 'has more than 1000 documents; split it into several files'],
    ['many aliases', `a: &a [1]\nb: [${'*a,'.repeat(100)}]`, 'more than 32 aliases; write them out'],
  ])('%s: refused', (_, text, message) => {
    expect(parseDocuments(text, 'f', schemas).issues.map((issue) => issue.message)).toContainEqual(message);
  });

  test('of very many problems the first are told', () => {
    const text = `kind: Service\nspec:\n${Array.from({ length: 5000 }, (_, i) => `  k${i}: 1`).join('\n')}`;
    const { issues } = parseDocuments(text, 'f', schemas);
    expect(issues).toHaveLength(101);
    expect(issues.map((issue) => issue.message)).toContain('has more problems, which are not told here');
  });
});
