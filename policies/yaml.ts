import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml';

/** Counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlDocument {
  /** As plain JSON data; undefined for an empty document or one with problems. */
  readonly value: unknown;
  readonly problems: readonly (Position & { readonly message: string })[];
  /** The place of the value at a path or, with `key`, of its name; of what is nearest when there is no such path. */
  position(path: string, key?: boolean): Position;
}

const maxOctets = 1024 * 1024;
const maxDocuments = 1000;
const maxDepth = 64;
const maxProblems = 20;
/** How often anchors may be expanded in all: enough for a repeated block, not for a bomb. */
const maxAliases = 32;

/** Reads a text of YAML documents (YAML 1.2 core schema; JSON is YAML) within limits. Never throws. */
export function parseYaml(text: string): readonly YamlDocument[] {
  if (Buffer.byteLength(text) > maxOctets) return [broken('is larger than 1 MiB; split it into several files')];
  // Line starts are counted here: the parser stops counting where it gives up.
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'error',
  });
  if (!Array.isArray(documents)) return [];
  if (documents.length > maxDocuments)
    return [broken(`has more than ${maxDocuments} documents; split it into several files`)];
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  return documents.map((document) => {
    const problems = check(document).map(({ at, message }) => ({ message, ...place(at) }));
    const value =
      problems.length === 0 && document.contents !== null ? document.toJS({ maxAliasCount: -1 }) : undefined;
    return {
      value: value ?? undefined,
      problems,
      position: (path, key = false) => place(find(document, path, key)),
    };
  });
}

const broken = (message: string): YamlDocument => ({
  value: undefined,
  problems: [{ message, line: 1, column: 1 }],
  position: () => ({ line: 1, column: 1 }),
});

interface Problem {
  readonly at: number;
  readonly message: string;
}

/** Everything that the library lets through or would only say by throwing. */
function check(document: Document): Problem[] {
  const problems: Problem[] = document.errors.map((error) => ({
    at: error.pos[0],
    message:
      error.code === 'RESOURCE_EXHAUSTION'
        ? `is nested more than ${maxDepth} deep`
        : `is not valid YAML: ${firstLine(error.message)}`,
  }));
  for (const warning of document.warnings) problems.push({ at: warning.pos[0], message: firstLine(warning.message) });
  if (problems.length > 0) return problems.slice(0, maxProblems);
  const add = (node: Node | null, message: string) => problems.push({ at: node?.range?.[0] ?? 0, message });
  let aliases = 0;
  visit(document, {
    Collection(_, node, path) {
      if (path.filter((step) => isMap(step) || isSeq(step)).length >= maxDepth) {
        add(node, `is nested more than ${maxDepth} deep`);
        return visit.BREAK;
      }
      if (isMap(node))
        checkKeys(
          node.items.map((pair) => pair.key),
          add,
        );
      return problems.length >= maxProblems ? visit.BREAK : undefined;
    },
    Alias(_, node, path) {
      const target = node.resolve(document);
      if (target === undefined) add(node, `no anchor &${node.source} stands before this`);
      else if (path.includes(target)) add(node, `*${node.source} stands within what it repeats`);
      else if (!isScalar(target) && hasAlias(target))
        add(node, 'an alias of something that has aliases itself; write it out');
      else if (++aliases > maxAliases) add(node, `more than ${maxAliases} aliases; write them out`);
      return problems.length >= maxProblems || aliases > maxAliases ? visit.BREAK : undefined;
    },
  });
  return problems;
}

/** Keys are text, and each stands once. */
function checkKeys(keys: readonly unknown[], add: (node: Node | null, message: string) => void): void {
  const seen = new Set<string>();
  for (const key of keys) {
    const node = isNode(key) ? key : null;
    if (!isScalar(key)) add(node, 'a key must be a plain text');
    else if (seen.has(String(key.value))) add(node, `the key '${String(key.value).slice(0, 60)}' stands here twice`);
    else seen.add(String(key.value));
  }
}

function hasAlias(node: Node): boolean {
  let found = false;
  visit(node, {
    Alias() {
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!.replace(/:$/, '');

/** Offset of what stands at a path, or of the nearest thing around it that exists. */
function find(document: Document, path: string, key: boolean): number {
  let node: unknown = document.contents;
  let at = offsetOf(node, 0);
  for (const [, name, index] of path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === name);
      if (pair === undefined) return at;
      const keyAt = offsetOf(pair.key, at);
      // A block under its key is named by the key: that is the line people look for.
      const inline = isScalar(pair.value)
        ? pair.value.value !== null
        : isNode(pair.value) && (pair.value as { flow?: boolean }).flow === true;
      at = inline && !key ? offsetOf(pair.value, keyAt) : keyAt;
      node = pair.value;
    } else if (isSeq(node) && index !== undefined) {
      const item: unknown = node.items[Number(index)];
      if (item === undefined) return at;
      at = offsetOf(item, at);
      node = item;
    } else return at;
  }
  return at;
}

const offsetOf = (node: unknown, fallback: number): number => (isNode(node) ? (node.range?.[0] ?? fallback) : fallback);
