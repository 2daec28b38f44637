import { z } from 'zod';
import type { Resource } from '../../policies/resource.ts';
import { userForm } from '../../policies/user-form.ts';
import {
  applyReplySchema,
  applyRequestSchema,
  diffReplySchema,
  resourcesReplySchema,
  revisionSchema,
  revisionsReplySchema,
  rollbackRequestSchema,
} from '../../proto/api/api.ts';
import { admit } from '../admit/admit.ts';
import { effectivePolicies } from '../admit/effective.ts';
import { diffRevisions, history, rollback } from '../admit/history.ts';
import { inSpan } from '../telemetry/tracing.ts';
import type { ApiParts } from './parts.ts';
import { ApiError } from './problem.ts';
import { json, type Row } from './route.ts';

/** A whole number in a query. */
export const wholeNumber = z
  .string()
  .regex(/^[0-9]{1,15}$/, 'must be a whole number')
  .transform(Number);

const maxRevisions = 500;

/** Rows about what is configured, and how it came to be so. */
export function changeRoutes(parts: ApiParts): readonly Row[] {
  const { store, catalog, registry, clock, log } = parts;
  const who = (author: string): string => author || 'unknown';
  const checkRevision = (revision: number): void => {
    const last = store.current().revision;
    if (!(revision <= last)) throw new ApiError('NOT_FOUND', `there is no such revision; the last one is ${last}`);
  };

  return [
    json({
      method: 'POST',
      path: '/v1/apply',
      summary: 'Creates, replaces and deletes resources: all of them as one revision, or none.',
      body: applyRequestSchema,
      reply: applyReplySchema,
      handle: async ({ body }) => {
        const request = { ...body, author: who(body.author) };
        const registered = new Set(registry.services());
        const knowsService = (service: string): boolean => registered.has(service);
        const attributes = { 'weft.resources': body.resources.length, 'weft.deletes': body.delete.length };
        const reply = await inSpan('admit.apply', attributes, () =>
          admit(store, catalog, request, { knowsService, clock }),
        );
        const { revision, changes, dryRun } = reply;
        if (!dryRun && changes.length > 0)
          log.info('mesh.applied', { revision, author: request.author, changes: changes.length });
        return reply;
      },
    }),
    json({
      method: 'POST',
      path: '/v1/rollback',
      summary: 'Appends a revision that restores the state of an earlier one.',
      body: rollbackRequestSchema,
      reply: applyReplySchema,
      handle: async ({ body }) => {
        checkRevision(body.to);
        const request = { ...body, author: who(body.author) };
        const reply = await inSpan('admit.rollback', { 'weft.to': body.to }, () => rollback(store, request, clock));
        const { revision, dryRun } = reply;
        if (!dryRun) log.info('mesh.rolled_back', { revision, to: body.to, author: request.author });
        return reply;
      },
    }),
    json({
      method: 'GET',
      path: '/v1/resources',
      summary:
        'Resources as they are now; with effective=true also each policy as it applies to each service, which namespace and name then choose.',
      query: z.strictObject({
        kind: z.string().optional(),
        namespace: z.string().optional(),
        name: z.string().optional(),
        effective: z.enum(['true', 'false']).default('false'),
      }),
      reply: resourcesReplySchema,
      handle({ query: { kind, namespace, name, effective } }) {
        const state = store.current();
        const resources = [...state.resources.values()].filter(
          (resource) =>
            (kind === undefined || resource.kind === kind) &&
            (namespace === undefined || resource.metadata.namespace === namespace) &&
            (name === undefined || resource.metadata.name === name),
        );
        const { revision } = state;
        if (effective === 'false') return { revision, resources: resources.map(written) };
        const wanted = { kind, namespace, service: name };
        return {
          revision,
          resources: resources.map(written),
          effective: effectivePolicies(state, catalog, registry.services(), wanted),
        };
      },
    }),
    json({
      method: 'GET',
      path: '/v1/revisions',
      summary: 'The log, oldest first; without from and to its end.',
      query: z.strictObject({
        from: wholeNumber.optional(),
        to: wholeNumber.optional(),
        limit: wholeNumber.optional(),
      }),
      reply: revisionsReplySchema,
      async handle({ query }) {
        const { revision } = store.current();
        const limit = Math.min(query.limit ?? 50, maxRevisions);
        const to = Math.min(query.to ?? (query.from === undefined ? revision : query.from + limit - 1), revision);
        const from = Math.max(1, query.from ?? to - limit + 1);
        return { revision, revisions: from > to || limit === 0 ? [] : await history(store, from, to, limit) };
      },
    }),
    json({
      method: 'GET',
      path: '/v1/revisions/{revision}',
      summary: 'One revision with what it changed.',
      reply: revisionSchema,
      async handle({ params }) {
        const wanted = /^[1-9][0-9]{0,14}$/.test(params.revision!) ? Number(params.revision) : Number.NaN;
        checkRevision(wanted);
        return (await history(store, wanted, wanted, 1))[0]!;
      },
    }),
    json({
      method: 'GET',
      path: '/v1/diff',
      summary: 'What differs between the states of two revisions; 0 is the empty mesh.',
      query: z.strictObject({ from: wholeNumber, to: wholeNumber.optional() }),
      reply: diffReplySchema,
      async handle({ query: { from, to = store.current().revision } }) {
        checkRevision(from);
        checkRevision(to);
        return { from, to, changes: await diffRevisions(store, from, to) };
      },
    }),
  ];
}

/** As its author could have written it: what is read can be changed and applied again. */
function written({ apiVersion, kind, metadata, spec }: Resource) {
  const { name, namespace, labels } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, ...(labels === undefined ? {} : { labels: { ...labels } }) },
    spec: userForm(spec),
  };
}
