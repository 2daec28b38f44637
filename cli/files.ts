import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatIssue, type Issue } from '../lib/issues.ts';
import { type ParsedResource, parseDocuments } from '../policies/documents.ts';
import { loadSchemas } from '../policies/load.ts';
import { keyOf, keyText } from '../policies/resource.ts';
import { exit, Failure, type Refused } from './failure.ts';
import { plain, type Terminal } from './terminal.ts';
import { workloadSchema } from './up/workload.ts';

/** A resource and the file that it stands in. */
export interface Found extends ParsedResource {
  readonly file: string;
}

export interface Input {
  readonly resources: readonly Found[];
  /** Kept apart: only `weft up` knows what to do with them. */
  readonly workloads: readonly Found[];
  readonly issues: readonly Issue[];
  readonly files: readonly string[];
}

const suffix = /\.(?:ya?ml|json)$/;
const maxFiles = 1000;
const maxBytes = 16 * 1024 * 1024;

/**
 * Reads files, folders (all .yaml, .yml and .json files under them) and `-` for standard input. What is wrong in them
 * is in `issues`; throws Failure, with every name, when something cannot be read at all.
 */
export async function readInput(paths: readonly string[]): Promise<Input> {
  const missing: string[] = [];
  const files: string[] = [];
  for (const path of paths) {
    try {
      const found = path === '-' ? ['-'] : await filesUnder(path);
      if (found.length === 0) missing.push(`${path}: no .yaml, .yml or .json file in this folder`);
      files.push(...found.filter((file) => !files.includes(file)));
    } catch (error) {
      missing.push(unreadable(path, error));
    }
  }
  if (files.length > maxFiles) missing.push(`${files.length} files are more than ${maxFiles}: name fewer at a time`);
  const schemas = new Map([...(await loadSchemas()), [workloadSchema.kind, workloadSchema]]);
  const resources: Found[] = [];
  const issues: Issue[] = [];
  for (const file of missing.length === 0 ? files : []) {
    try {
      const name = file === '-' ? '<stdin>' : file;
      const parsed = parseDocuments(file === '-' ? await readStdin() : await readFile(file, 'utf8'), name, schemas);
      resources.push(...parsed.resources.map((found) => ({ ...found, file: name })));
      issues.push(...parsed.issues);
    } catch (error) {
      missing.push(unreadable(file, error));
    }
  }
  if (missing.length > 0) throw new Failure(exit.usage, missing.join('\n'));
  issues.push(...repeated(resources));
  return {
    resources: resources.filter(({ resource }) => resource.kind !== workloadSchema.kind),
    workloads: resources.filter(({ resource }) => resource.kind === workloadSchema.kind),
    issues,
    files,
  };
}

/** Reads what is to be sent. Throws Failure with every problem of the files. */
export async function readSound(paths: readonly string[]): Promise<Input> {
  const input = await readInput(paths);
  if (input.issues.length > 0) throw invalid(input.issues);
  return input;
}

/** Every problem on its own line, and how many there are. */
export function invalid(issues: readonly Issue[], end = '; nothing was changed'): Failure {
  const n = issues.length;
  return new Failure(
    exit.no,
    `${issues.map((issue) => plain(formatIssue(issue))).join('\n')}\n${n === 1 ? '1 problem' : `${n} problems`}${end}`,
    { bare: true },
  );
}

/** A refusal whose problems point into the files that were sent, in the order in which they were sent. */
export function located(refused: Refused, sent: readonly Found[]): Failure {
  if (refused.issues.length === 0) return refused;
  return invalid(
    refused.issues.map((issue) => {
      const found = issue.resource === undefined ? undefined : sent[issue.resource];
      return found === undefined ? issue : { ...issue, file: found.file, ...found.position(issue.path) };
    }),
  );
}

/** Says that workloads were passed over, so that nobody waits for them. */
export function noteWorkloads({ workloads }: Input, terminal: Terminal): void {
  if (workloads.length === 0) return;
  const names = workloads.map(({ resource }) => resource.metadata.name).join(', ');
  terminal.note(`passed over Workload ${names}: only 'weft up' starts processes`);
}

function repeated(resources: readonly Found[]): Issue[] {
  const first = new Map<string, Found>();
  return resources.flatMap((found) => {
    const key = keyText(keyOf(found.resource));
    const before = first.get(key);
    if (before === undefined) {
      first.set(key, found);
      return [];
    }
    const message = `${key} stands here twice; the first is in ${before.file}:${before.position('metadata.name').line}`;
    return [{ path: 'metadata.name', message, file: found.file, ...found.position('metadata.name') }];
  });
}

async function filesUnder(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    if (entry.isDirectory()) found.push(...(await filesUnder(join(path, entry.name))));
    else if (suffix.test(entry.name)) found.push(join(path, entry.name));
    if (found.length > maxFiles) break;
  }
  return found;
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Failure(exit.usage, 'standard input is larger than 16 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function unreadable(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return `${path}: no such file or folder`;
  if (code === 'EACCES') return `${path}: may not be read by this user`;
  return `${path}: cannot be read: ${message}`;
}
