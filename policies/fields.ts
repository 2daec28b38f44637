/** Building blocks of schemas: what several kinds have in common. */
import { z } from 'zod';
import { formatDuration, parseDuration } from '../lib/duration.ts';
import { isName } from '../lib/spiffe.ts';
import { mustBe, oneOf, show, unknownField } from './issue-text.ts';

/**
 * An object that takes these fields and no others. `refused` says of fields that people know from elsewhere why they are
 * not taken and what to use instead. The error has one line for each unknown key, in order: `parse.ts` reads them so.
 */
export function fields<const S extends z.ZodRawShape>(shape: S, refused: Readonly<Record<string, string>> = {}) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? (issue as z.core.$ZodRawIssue<z.core.$ZodIssueUnrecognizedKeys>).keys
            .map((key) => (Object.hasOwn(refused, key) ? refused[key] : unknownField(key, Object.keys(shape))))
            .join('\n')
        : undefined,
  });
}

const dayMs = 86_400_000;

/** A duration, in ms once parsed. `0s` is 0. */
export function duration(description: string, limits: { min?: number; max?: number } = {}) {
  const { min = 0, max = dayMs } = limits;
  return z
    .string({ error: (issue) => mustBe('a duration such as 250ms or 1.5s', issue.input) })
    .meta({ description, examples: ['250ms', '1.5s'], pattern: '^([0-9]{1,9}(\\.[0-9]{1,3})?(ms|s|m|h)){1,4}$' })
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms === undefined) context.addIssue(`${show(text)} is not a duration such as 250ms or 1.5s`);
      else if (ms < min) context.addIssue(`must be at least ${formatDuration(min)}, not ${show(text)}`);
      else if (ms > max) context.addIssue(`must be at most ${formatDuration(max)}, not ${show(text)}`);
      return ms ?? z.NEVER;
    });
}

/** Renames durations to `…Ms`, as the normalised form has them. Absent fields stay absent. */
export const inMs =
  <T extends object, const K extends keyof T & string>(...keys: readonly K[]) =>
  (given: T): { [P in keyof T as P extends K ? `${P}Ms` : P]: T[P] } =>
    Object.fromEntries(
      Object.entries(given).map(([key, value]) => [keys.includes(key as K) ? `${key}Ms` : key, value]),
    ) as never;

/** A whole number. */
export const whole = (description: string, min: number, max: number) =>
  z
    .int({ error: (issue) => mustBe(`a whole number from ${min} to ${max}`, issue.input) })
    .min(min)
    .max(max)
    .describe(description);

export const port = (description: string) => whole(description, 1, 65535);

/** A closed set of words. */
export const choice = <const T extends readonly [string, ...string[]]>(words: T, description: string) =>
  z.enum(words).describe(description);

/** The name of a service or a namespace. */
export const name = (description: string) =>
  z
    .string({ error: (issue) => mustBe('a name', issue.input) })
    .meta({ description })
    .refine(isName, {
      error: (issue) =>
        `${show(issue.input)} is not a name: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit`,
    });

const dnsName = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*$/;

/** The name of any resource: a DNS name (RFC 1123), as on Kubernetes. */
export const resourceName = (description: string) =>
  z
    .string({ error: (issue) => mustBe('a name', issue.input) })
    .meta({ description })
    .refine((text) => dnsName.test(text), {
      error: (issue) =>
        `${show(issue.input)} is not a name: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit`,
    });

/** The `group` of a reference to a service; present because Kubernetes writes it. */
export const coreGroup = z
  .literal('', { error: (issue) => oneOf([''], issue.input) })
  .default('')
  .describe("API group of the service: '' only.");

const targetKinds = ['Mesh', 'Namespace', 'Service', 'HTTPRoute'] as const;

/** What a policy is attached to. The most specific target wins, field by field. */
export const targetRefs = z
  .array(
    fields({
      group: z
        .string()
        .max(253)
        .exactOptional()
        .describe('API group of the target; not needed, accepted for Kubernetes.'),
      kind: choice(targetKinds, 'Mesh (everything), Namespace, Service or HTTPRoute.'),
      name: resourceName(
        "Name of the target. Not for Mesh; for Namespace the policy's own when absent.",
      ).exactOptional(),
      namespace: name("Namespace of a Service or HTTPRoute; the policy's own when absent.").exactOptional(),
    }).superRefine((ref, context) => {
      const add = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message });
      const named = ref.kind === 'Service' || ref.kind === 'HTTPRoute';
      if (named && ref.name === undefined) add('name', `is required: the name of the ${ref.kind}`);
      if (ref.kind === 'Mesh' && ref.name !== undefined) add('name', 'must be left out: there is one mesh only');
      if (!named && ref.namespace !== undefined)
        add(
          'namespace',
          ref.kind === 'Mesh' ? 'must be left out for Mesh' : "must be left out: 'name' is the namespace",
        );
    }),
  )
  .min(1)
  .max(16)
  .describe('What the policy is attached to: the mesh, a namespace, services or routes.');

/** A policy that says nothing is a mistake: adds an issue unless one field besides `targetRefs` is there. */
export function saysSomething(spec: object, context: z.core.$RefinementCtx): void {
  if (Object.keys(spec).some((key) => key !== 'targetRefs')) return;
  context.addIssue('sets nothing: add at least one field besides targetRefs');
}
