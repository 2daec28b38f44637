import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Client } from './client.ts';
import { exit, Failure } from './failure.ts';
import { type Column, renderTable } from './format/table.ts';
import { systemTerminal, type Terminal, withProgress } from './terminal.ts';

export const outputs = ['table', 'json', 'yaml', 'wide'] as const;
export type Output = (typeof outputs)[number];

/** What every command works with: where the control plane is, and how to answer. */
export interface Context {
  readonly terminal: Terminal;
  readonly output: Output;
  readonly client: Client;
  /** Waits for the control plane; says so when it takes long. */
  ask<T>(answer: Promise<T>): Promise<T>;
  /** Prints `value` for programs, or what `table` gives for people. */
  print(value: unknown, table: () => string): Promise<void>;
  /** The same for a list: `none` is said where there is nothing to show. */
  printTable<Row>(value: unknown, columns: readonly Column<Row>[], rows: readonly Row[], none: string): Promise<void>;
}

/** Reads the options that all commands share. Throws Failure for those that make no sense. */
export function contextOf(command: Command): Context {
  const given = command.optsWithGlobals<{ server: string; tokenFile?: string; output: Output }>();
  const terminal = systemTerminal();
  const client = new Client(
    serverUrl(given.server),
    given.tokenFile === undefined ? undefined : tokenIn(given.tokenFile),
  );
  return {
    terminal,
    output: given.output,
    client,
    ask: (answer) => withProgress(terminal, () => `waiting for ${client.server}`, answer),
    async print(value, table) {
      if (given.output === 'json') terminal.out(JSON.stringify(value, null, 2));
      else if (given.output === 'yaml') terminal.out((await import('yaml')).stringify(value));
      else terminal.out(table());
    },
    async printTable(value, columns, rows, none) {
      const { width, paint } = terminal;
      if (rows.length === 0 && (given.output === 'table' || given.output === 'wide')) terminal.note(none);
      else await this.print(value, () => renderTable(columns, rows, { wide: given.output === 'wide', width, paint }));
    },
  };
}

/** `host:port` is taken for `http://host:port`. */
function serverUrl(text: string): string {
  const url = URL.parse(/^[a-z]+:\/\//.test(text) ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new Failure(exit.usage, `--server: '${text}' is not an address such as http://127.0.0.1:7080`);
  return url.href.replace(/\/$/, '');
}

function tokenIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Failure(exit.usage, `--token-file: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`);
  }
  if (!/^[\x21-\x7e]{1,4096}$/.test(text))
    throw new Failure(exit.usage, `--token-file: ${file} does not hold one token`);
  return text;
}
