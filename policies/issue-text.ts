import type { z } from 'zod';
import { didYouMean } from './did-you-mean.ts';

const nouns: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object with fields',
  record: 'an object with fields',
};

/**
 * What is wrong and what would be right, for each kind of problem that zod finds. A field with a better message of its
 * own sets it in its schema, which goes before this. undefined: zod's own words.
 */
export function issueText(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return mustBe(nouns[issue.expected] ?? issue.expected, issue.input);
    case 'invalid_value':
      return oneOf(issue.values.map(String), issue.input);
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty';
      if (issue.origin === 'array') return `must have at least ${issue.minimum} ${entries(issue.minimum)}`;
      return `must be at least ${issue.minimum}, not ${show(issue.input)}`;
    case 'too_big':
      if (issue.origin === 'string') return `must have at most ${issue.maximum} characters`;
      if (issue.origin === 'array') return `must have at most ${issue.maximum} ${entries(issue.maximum)}`;
      return `must be at most ${issue.maximum}, not ${show(issue.input)}`;
    default:
      return undefined;
  }
}

/** The message where `noun` was expected: the field is missing, or it is something else. */
export const mustBe = (noun: string, input: unknown): string =>
  input === undefined ? `is required: ${noun}` : `must be ${noun}, not ${show(input)}`;

export function oneOf(known: readonly string[], input: unknown): string {
  if (input === undefined) return `is required: ${known.length === 1 ? '' : 'one of '}${known.join(', ')}`;
  const near = typeof input === 'string' ? didYouMean(input, known) : '';
  return known.length === 1
    ? `must be ${known[0] === '' ? "''" : known[0]}, not ${show(input)}`
    : `must be one of ${known.join(', ')}, not ${show(input)}${near}`;
}

/** A field that is not there in the schema. */
export const unknownField = (name: string, known: readonly string[]): string =>
  `is not a field here${didYouMean(name, known) || `; known are ${known.join(', ')}`}`;

/** A value as a message quotes it: short, on one line, never a whole structure. */
export function show(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value !== 'string') return String(value);
  const quoted = JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  return `'${quoted.slice(1, -1).replaceAll('\\"', '"')}'`;
}

const entries = (n: number | bigint): string => (Number(n) === 1 ? 'entry' : 'entries');
