import { parseArgs } from 'node:util';
import { type Address, parseAddress } from './address.ts';
import { parseDuration } from './duration.ts';
import type { Issue } from './issues.ts';

/**
 * One setting of a program: a flag, an environment variable (`WEFT_` and the flag in capitals) and a key of the settings
 * file (the flag's name), in that order of precedence.
 */
export interface Option<T> {
  /** What it does, for --help. One line. */
  readonly describe: string;
  /** What stands for the value in --help; absent for a switch. */
  readonly value?: string;
  /** What a value must look like, for the message that refuses one. */
  readonly expects: string;
  /** In the form that `parse` reads. */
  readonly fallback?: string;
  /** The flag may be given more than once: `parse` gets all of them, with commas between. */
  readonly repeats?: true;
  parse(text: string): T | undefined;
}

export const text = (describe: string, value: string, fallback?: string): Option<string> => ({
  describe,
  value,
  expects: 'a text that is not empty',
  ...(fallback === undefined ? {} : { fallback }),
  parse: (given) => given || undefined,
});

export const address = (describe: string, fallback?: string): Option<Address> => ({
  describe,
  value: 'ADDRESS',
  expects: 'host:port, :port or unix:PATH',
  ...(fallback === undefined ? {} : { fallback }),
  parse: parseAddress,
});

/** Milliseconds. */
export const duration = (describe: string, fallback?: string): Option<number> => ({
  describe,
  value: 'DURATION',
  expects: 'a duration such as 250ms, 10s or 1h',
  ...(fallback === undefined ? {} : { fallback }),
  parse: parseDuration,
});

export const number = (describe: string, min: number, max: number, fallback?: string): Option<number> => ({
  describe,
  value: 'NUMBER',
  expects: `a number from ${min} to ${max}`,
  ...(fallback === undefined ? {} : { fallback }),
  parse(given) {
    const found = /^-?[0-9]{1,15}(?:\.[0-9]{1,6})?$/.test(given) ? Number(given) : Number.NaN;
    return found >= min && found <= max ? found : undefined;
  },
});

export const choice = <const T extends string>(
  describe: string,
  choices: readonly T[],
  fallback?: NoInfer<T>,
): Option<T> => ({
  describe,
  value: choices.join('|'),
  expects: `one of ${choices.join(', ')}`,
  ...(fallback === undefined ? {} : { fallback }),
  parse: (given) => choices.find((one) => one === given),
});

/** A switch: present is true; in the environment and in files `true` or `false`. */
export const flag = (describe: string): Option<boolean> => ({
  describe,
  expects: 'true or false',
  parse: (given) => (given === 'true' ? true : given === 'false' ? false : undefined),
});

type Table = Readonly<Record<string, Option<unknown>>>;
/** By name of the flag; undefined where nobody gave a value and there is no fallback. */
export type Values<T extends Table> = { readonly [K in keyof T]: T[K] extends Option<infer V> ? V | undefined : never };

/** The variable of a flag. */
export const envName = (name: string): string => `WEFT_${name.toUpperCase().replaceAll('-', '_')}`;

/** Reads all settings and gives every problem at once. `file`: the parsed settings file, keys as flags. */
export function readOptions<T extends Table>(
  table: T,
  given: {
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly file?: Readonly<Record<string, unknown>>;
  },
): { readonly values: Values<T>; readonly issues: readonly Issue[] } {
  const issues: Issue[] = [];
  const { tokens } = parseArgs({
    args: [...given.argv],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(table).map(([name, option]) => [name, { type: option.value ? 'string' : 'boolean' } as const]),
    ),
  });
  const flags = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === 'positional') issues.push({ path: token.value, message: 'is not a flag; flags begin with --' });
    if (token.kind !== 'option') continue;
    const option = table[token.name];
    if (option === undefined)
      issues.push({ path: token.rawName, message: `is not known${nearest(token.name, table)}` });
    else if (option.value && token.value === undefined)
      issues.push({ path: token.rawName, message: `needs a value: ${option.expects}` });
    else {
      const before = option.repeats ? flags.get(token.name) : undefined;
      flags.set(token.name, `${before === undefined ? '' : `${before},`}${token.value ?? 'true'}`);
    }
  }
  for (const name of Object.keys(given.file ?? {}))
    if (table[name] === undefined) issues.push({ path: name, message: `is not known${nearest(name, table)}` });

  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    const fromFile = given.file?.[name];
    const sources: [string, string | undefined][] = [
      [`--${name}`, flags.get(name)],
      [envName(name), given.env[envName(name)] || undefined],
      [name, fromFile === undefined ? undefined : String(fromFile)],
      ['', option.fallback],
    ];
    const found = sources.find(([, value]) => value !== undefined);
    if (found === undefined) continue;
    const parsed = option.parse(found[1]!);
    if (parsed === undefined) issues.push({ path: found[0], message: `'${found[1]}' is not ${option.expects}` });
    values[name] = parsed;
  }
  return { values: values as Values<T>, issues };
}

/** `, did you mean --x?` when a known name is close. */
function nearest(name: string, table: Table): string {
  const near = Object.keys(table).find(
    (known) => known.startsWith(name) || name.startsWith(known) || close(known, name),
  );
  return near === undefined ? '' : `, did you mean ${near}?`;
}

/** One letter more, less, other or swapped. */
function close(a: string, b: string): boolean {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  const restA = a.slice(i);
  const restB = b.slice(i);
  const swapped = restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2);
  return restA.slice(1) === restB.slice(1) || restA.slice(1) === restB || restA === restB.slice(1) || swapped;
}

/** The body of --help: one aligned line for each setting, with its variable and fallback. */
export function optionsHelp(table: Table): string {
  const rows = Object.entries(table).map(([name, option]) => [
    `  --${name}${option.value ? ` ${option.value}` : ''}`,
    option.describe + (option.fallback === undefined ? '' : ` (default ${option.fallback})`),
  ]);
  const width = Math.min(44, Math.max(...rows.map(([left]) => left!.length)));
  const lines = rows.map(([left, right]) => `${left!.padEnd(width)}  ${right}`);
  return `${lines.join('\n')}\n\nEach flag can also be given as an environment variable: --log-level is WEFT_LOG_LEVEL.\n`;
}
