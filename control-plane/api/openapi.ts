import { z } from 'zod';
import * as api from '../../proto/api/api.ts';
import { problems } from './problem.ts';
import type { Row } from './route.ts';

/** Schemas that get a name of their own in the document; all others stand where they are used. */
const named = {
  Resource: api.resourceSchema,
  Issue: api.issueSchema,
  Change: api.changeSchema,
  Revision: api.revisionSchema,
  Endpoint: api.endpointSchema,
  Service: api.serviceSchema,
  Proxy: api.proxySchema,
  Edge: api.edgeSchema,
  Effective: api.effectiveSchema,
  Problem: api.problemSchema,
};

type Json = Readonly<Record<string, unknown>>;

/** The OpenAPI 3.1 document of these rows. Everything in it comes from the rows and their schemas. */
export function openApi(rows: readonly Row[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  const schemas: Record<string, Json> = {};
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas: components } = z.toJSONSchema(registry, { uri, io: 'output' });
  for (const [id, schema] of Object.entries(components)) schemas[id] = withoutDialect(schema);
  for (const row of rows) {
    paths[row.path.replace('*}', '}')] ??= {};
    paths[row.path.replace('*}', '}')]![row.method.toLowerCase()] = operation(row);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Weft control plane', version, description: 'What people, the CLI and programs use.' },
    paths,
    components: {
      schemas,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' }, password: { type: 'http', scheme: 'basic' } },
    },
  };
}

function operation(row: Row): Json {
  const ok =
    row.reply === undefined
      ? { [row.content ?? 'text/plain']: {} }
      : { 'application/json': { schema: jsonSchema(row.reply, 'output') } };
  const parameters = [...pathParameters(row.path), ...queryParameters(row)];
  return {
    summary: row.summary,
    operationId: `${row.method.toLowerCase()}${row.path.replace(/[^A-Za-z0-9]+(\w?)/g, (_, next) => next.toUpperCase())}`,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(row.body === undefined
      ? {}
      : {
          requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(row.body, 'input') } } },
        }),
    // No token is needed on loopback, hence the empty alternative.
    security: row.open ? [] : [{ token: [] }, ...(row.page ? [{ password: [] }] : []), {}],
    responses: {
      '200': { description: 'Done.', content: ok },
      default: {
        description: `A problem (RFC 9457). Codes: ${Object.keys(problems).join(', ')}.`,
        content: { 'application/problem+json': { schema: { $ref: uri('Problem') } } },
      },
    },
  };
}

const uri = (id: string): string => `#/components/schemas/${id}`;

const pathParameters = (path: string): Json[] =>
  [...path.matchAll(/\{(\w+)\*?\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));

const queryParameters = (row: Row): Json[] =>
  Object.entries(row.query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !schema.safeParse(undefined).success,
    schema: jsonSchema(schema, 'input'),
  }));

/** A schema with references where a part of it has a name. */
function jsonSchema(schema: z.core.$ZodType, io: 'input' | 'output'): Json {
  const names = new Map<unknown, string>(Object.entries(named).map(([id, known]) => [known, id]));
  const name = io === 'output' ? names.get(schema) : undefined;
  if (name !== undefined) return { $ref: uri(name) };
  return withoutDialect(
    z.toJSONSchema(schema, {
      io,
      override({ zodSchema, jsonSchema: made }) {
        const part = io === 'output' ? names.get(zodSchema) : undefined;
        if (part === undefined) return;
        for (const key of Object.keys(made)) delete made[key];
        made.$ref = uri(part);
      },
    }),
  );
}

/** The dialect is said once for the whole document: OpenAPI 3.1 takes JSON Schema 2020-12. */
function withoutDialect(schema: object): Json {
  const { $schema: _, $id: __, ...rest } = schema as Record<string, unknown>;
  return rest;
}
