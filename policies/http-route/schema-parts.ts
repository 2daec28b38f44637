/** The parts of a rule: matches and filters, as the Kubernetes Gateway API has them. */
import { isIP } from 'node:net';
import { RE2JS } from 're2js';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import { choice, fields, port } from '../fields.ts';
import { mustBe, oneOf, show } from '../issue-text.ts';
import { canonicalEscapes } from './path.ts';
import { regexEngine } from './regex.ts';

type Context = z.core.$RefinementCtx;
const addAt = (context: Context, path: PropertyKey[], message: string): void =>
  context.addIssue({ code: 'custom', path, message });

const hostnamePattern =
  /^(?=.{1,253}$)(?:\*\.)?(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

export const hostname = (description: string, wildcard: boolean) =>
  z
    .string()
    .describe(description)
    .refine((text) => hostnamePattern.test(text) && isIP(text) === 0 && (wildcard || !text.startsWith('*')), {
      error: (issue) =>
        `${show(issue.input)} is not a host name such as shop.example.com${wildcard ? ' or *.example.com' : ''}: lower case, no port, no IP address`,
    });

const engine = regexEngine(RE2JS);

function checkExpression(text: string, context: Context, path: PropertyKey[]): void {
  try {
    engine.compile(text);
  } catch (error) {
    const why = messageOf(error).replace(/^error parsing regexp: /, '');
    addAt(
      context,
      path,
      `${show(text)} is not a regular expression of RE2 (no look-around, no back-references): ${why}`,
    );
  }
}

const pathOctets = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/;

/** What is wrong with a path that people write, or undefined. Such a path would never equal a canonical one. */
function pathProblem(text: string): string | undefined {
  if (!text.startsWith('/')) return `must begin with /, not ${show(text)}`;
  if (/[?#]/.test(text)) return `${show(text)} must be a path alone, without ? or #`;
  if (!pathOctets.test(text)) return `${show(text)} has characters that must be written as %XX in a path`;
  const decoded = canonicalEscapes(text);
  if (/\/\/|%2F|%5C|%00/.test(decoded)) return `${show(text)} must not contain //, %2F, %5C or %00`;
  if (/\/\.{1,2}(?:\/|$)/.test(decoded)) return `${show(text)} must not contain the segments . or ..`;
  return undefined;
}

const pathMatch = fields({
  type: choice(
    ['Exact', 'PathPrefix', 'RegularExpression'],
    'PathPrefix matches whole segments: /shop takes /shop and /shop/cart, not /shopping. RegularExpression is RE2 and must match the whole path.',
  ).default('PathPrefix'),
  value: z
    .string()
    .min(1)
    .max(1024)
    .default('/')
    .describe('Compared with the path without query, dots and escapes resolved.'),
})
  .superRefine(({ type, value }, context) => {
    if (type === 'RegularExpression') return checkExpression(value, context, ['value']);
    const problem = pathProblem(value);
    if (problem !== undefined) addAt(context, ['value'], problem);
  })
  .transform(({ type, value }) => ({ type, value: type === 'RegularExpression' ? value : canonicalEscapes(value) }));

const token = /^[!#$%&'*+.^_`|~A-Za-z0-9-]+$/;

const headerName = z
  .string({ error: (issue) => mustBe('the name of a header field', issue.input) })
  .max(256)
  .refine((text) => token.test(text), { error: (issue) => `${show(issue.input)} is not the name of a header field` });

const valueMatch = (name: z.ZodType<string>, what: string, nameCase: string) =>
  fields({
    type: choice(['Exact', 'RegularExpression'], 'RegularExpression is RE2 and must match the whole value.').default(
      'Exact',
    ),
    name: name.describe(`Name of the ${what}; case ${nameCase}.`),
    value: z.string().max(4096).describe(`Value of the ${what}, or the expression for it (at most 1024 characters).`),
  }).superRefine(({ type, value }, context) => {
    if (type !== 'RegularExpression') return;
    if (value.length > 1024) addAt(context, ['value'], 'must have at most 1024 characters');
    else checkExpression(value, context, ['value']);
  });

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

/** All conditions of a match must hold. */
export const match = fields({
  path: pathMatch.default({ type: 'PathPrefix', value: '/' }).describe('What the path must be.'),
  method: choice(methods, 'The method; any when absent.').exactOptional(),
  headers: z
    .array(valueMatch(headerName, 'header field', 'does not matter'))
    .max(16)
    .default([])
    .describe(
      'Header fields that must be there. Of entries with the same name the first counts; fields that are repeated are joined by commas.',
    ),
  queryParams: z
    .array(valueMatch(z.string().min(1).max(256), 'query parameter', 'matters'))
    .max(16)
    .default([])
    .describe(
      'Query parameters that must be there, compared decoded. Of parameters or entries with the same name the first counts.',
    ),
});

/** Fields that frame the message, end at each hop or prove who somebody is: always the mesh's own. */
const ownHeaders = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'sec-websocket-accept',
  'sec-websocket-key',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-client-cert',
]);

const changedName = headerName.superRefine((text, context) => {
  const lower = text.toLowerCase();
  if (lower === 'host') context.addIssue('host cannot be changed here; use hostname of a URLRewrite filter');
  else if (ownHeaders.has(lower) || lower.startsWith('weft-'))
    context.addIssue(`${show(text)} is set by the mesh and cannot be changed`);
});

const headerValue = z
  .string()
  .max(4096)
  .refine((text) => /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/.test(text), {
    error: (issue) =>
      `${show(issue.input)} is not the value of a header field: printable characters, no space at either end`,
  });

const assignment = fields({
  name: changedName.describe('Name of the field.'),
  value: headerValue.describe('Its value.'),
});

const headerChange = fields({
  set: z.array(assignment).max(16).default([]).describe('Fields to put in the place of any of that name.'),
  add: z.array(assignment).max(16).default([]).describe('Fields to add to any of that name.'),
  remove: z.array(changedName).max(16).default([]).describe('Names of fields to remove.'),
}).superRefine(({ set, add, remove }, context) => {
  if (set.length + add.length + remove.length === 0) context.addIssue('changes nothing: give set, add or remove');
});

const newPath = z
  .string()
  .max(1024)
  .superRefine((text, context) => {
    const problem = text === '' ? undefined : pathProblem(text);
    if (problem !== undefined) context.addIssue(problem);
  });

const pathChange = z.discriminatedUnion(
  'type',
  [
    fields({
      type: z.literal('ReplaceFullPath'),
      replaceFullPath: newPath.transform((text) => text || '/').describe('The whole new path.'),
    }),
    fields({
      type: z.literal('ReplacePrefixMatch'),
      replacePrefixMatch: newPath.describe(
        'Put in the place of the prefix that matched. Needs exactly one match, a PathPrefix.',
      ),
    }),
  ],
  { error: (issue) => unionText(issue, ['ReplaceFullPath', 'ReplacePrefixMatch']) },
);

const urlRewrite = fields({
  hostname: hostname('New host of the request.', false).exactOptional(),
  path: pathChange.exactOptional().describe('New path of the request; the query is kept.'),
}).superRefine(({ hostname, path }, context) => {
  if (hostname === undefined && path === undefined) context.addIssue('changes nothing: give hostname or path');
});

const statuses = [301, 302, 303, 307, 308] as const;

const requestRedirect = fields({
  scheme: choice(['http', 'https'], 'Scheme of the new location.').exactOptional(),
  hostname: hostname('Host of the new location; that of the request when absent.', false).exactOptional(),
  path: pathChange
    .exactOptional()
    .describe('Path of the new location; that of the request when absent. The query is kept.'),
  port: port('Port of the new location.').exactOptional(),
  statusCode: z
    .literal(statuses, { error: (issue) => oneOf(statuses.map(String), issue.input) })
    .default(302)
    .describe('Status of the answer.'),
});

const filterTypes = ['RequestHeaderModifier', 'ResponseHeaderModifier', 'URLRewrite', 'RequestRedirect'] as const;
const laterFilters = ['RequestMirror', 'CORS', 'ExternalAuth', 'ExtensionRef'];

/** What is done to a request or its response. */
export const routeFilter = z.discriminatedUnion(
  'type',
  [
    fields({
      type: z.literal('RequestHeaderModifier'),
      requestHeaderModifier: headerChange.describe('Changes fields of the request.'),
    }),
    fields({
      type: z.literal('ResponseHeaderModifier'),
      responseHeaderModifier: headerChange.describe('Changes fields of the response.'),
    }),
    fields({
      type: z.literal('URLRewrite'),
      urlRewrite: urlRewrite.describe('Changes what the backend is asked for.'),
    }),
    fields({
      type: z.literal('RequestRedirect'),
      requestRedirect: requestRedirect.describe('Answers with a redirect.'),
    }),
  ],
  { error: (issue) => unionText(issue, filterTypes, laterFilters) },
);

/** The message for a `type` that is none of those known. */
function unionText(
  issue: z.core.$ZodRawIssue,
  known: readonly string[],
  later: readonly string[] = [],
): string | undefined {
  if (issue.code !== 'invalid_union') return undefined;
  const type = (issue.input as { type?: unknown }).type;
  if (later.includes(type as string))
    return `filter ${show(type)} is not supported by this version; supported are ${known.join(', ')}`;
  return oneOf(known, type);
}
