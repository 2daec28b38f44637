/**
 * The wire contract of the HTTP/JSON API (port 7080). The OpenAPI document is generated from these schemas; the control
 * plane parses requests with them, the CLI parses answers with them.
 */
import { z } from 'zod';

const key = z.strictObject({ kind: z.string(), namespace: z.string(), name: z.string() });
/** One line for people: no control characters, which a terminal would obey. */
const line = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[^\x00-\x1f\x7f-\x9f]*$/, 'must be one line of text');
const count = z.number().int().nonnegative();

/** A resource in its envelope; `spec` as people write it, on the way out too, so that what is read can be applied again. */
export const resourceSchema = z.strictObject({
  apiVersion: z.string().max(128),
  kind: z.string().max(128),
  metadata: z.strictObject({
    name: z.string().max(253),
    namespace: z.string().max(63).default('default'),
    labels: z.record(z.string().max(253), z.string().max(253)).optional(),
  }),
  spec: z.unknown(),
});

export const issueSchema = z.object({
  path: z.string(),
  message: z.string(),
  resource: count.optional(),
  file: z.string().optional(),
  line: count.optional(),
  column: count.optional(),
});

/** One resource that a revision changes. */
export const changeSchema = z.object({
  op: z.enum(['create', 'update', 'delete']),
  key,
  /** Fields that differ: path in the spec, value before and after (absent where there was none). */
  fields: z.array(z.object({ path: z.string(), before: z.unknown().optional(), after: z.unknown().optional() })),
});

export const applyRequestSchema = z.strictObject({
  /** Created or replaced. */
  resources: z.array(z.unknown()).max(1000).default([]),
  delete: z.array(key).max(1000).default([]),
  message: line(1000).default(''),
  author: line(200).default(''),
  dryRun: z.boolean().default(false),
  /** When given, the apply is refused (409) unless the log still ends with this revision. */
  expectRevision: count.optional(),
});

export const applyReplySchema = z.object({
  /** The revision that was appended; the present one when nothing changed or with dryRun. */
  revision: count,
  changes: z.array(changeSchema),
  dryRun: z.boolean(),
});

/** Restores the state of revision `to` as a new revision. Replied to as an apply. */
export const rollbackRequestSchema = z.strictObject({
  to: count,
  message: line(1000).default(''),
  author: line(200).default(''),
  dryRun: z.boolean().default(false),
  expectRevision: count.optional(),
});

export const revisionSchema = z.object({
  revision: count,
  /** ISO 8601. */
  at: z.string(),
  author: z.string(),
  message: z.string(),
  changes: z.array(changeSchema),
});

export const endpointSchema = z.object({
  id: z.string(),
  address: z.string(),
  port: count,
  weight: count,
  identity: z.string(),
  /** Where it is known from: `static`, `sidecar`, `consul`. */
  source: z.string(),
});

export const serviceSchema = z.object({
  namespace: z.string(),
  name: z.string(),
  ports: z.array(z.object({ port: count, protocol: z.string() })),
  endpoints: z.array(endpointSchema),
});

/** A sidecar that is or was connected. */
export const proxySchema = z.object({
  instance: z.string(),
  namespace: z.string(),
  service: z.string(),
  connected: z.boolean(),
  ready: z.boolean(),
  /** Why it is not ready, where it has said so. */
  reason: z.string().optional(),
  /** ISO 8601: since when it is connected, or when it was last seen. */
  since: z.string(),
  /** The revision that it has acknowledged. */
  revision: count,
  /** `synced`: runs what it should; `pending`: was sent more and has not answered; `rejected`: said no to the last push. */
  state: z.enum(['synced', 'pending', 'rejected', 'disconnected']),
  problems: z.array(issueSchema),
  version: z.string(),
  inbound: z.string(),
  admin: z.string(),
});

/** Whether every sidecar that a revision concerns runs it. */
export const convergenceSchema = z.object({
  revision: count,
  converged: z.boolean(),
  waiting: z.array(proxySchema),
});

export const edgeSchema = z.object({
  source: z.string(),
  destination: z.string(),
  /** SPIFFE IDs that were proved in the handshake; '' where there was none. */
  sourceIdentity: z.string(),
  destinationIdentity: z.string(),
  /** Over the last windowMs. */
  windowMs: count,
  requests: count,
  failures: count,
  retries: count,
  requestsPerSecond: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  /** Since the control plane started. */
  totalRequests: count,
  totalFailures: count,
});

export const tokenRequestSchema = z.strictObject({
  service: z.string().max(63),
  namespace: z.string().max(63).default('default'),
  ttlSeconds: z.number().int().min(1).max(600).default(600),
});

export const tokenReplySchema = z.object({
  /** Shown once; only its hash is kept. */
  token: z.string(),
  identity: z.string(),
  expires: z.string(),
});

export const statusSchema = z.object({
  version: z.string(),
  revision: count,
  store: z.string(),
  storeHealthy: z.boolean(),
  trustDomain: z.string(),
  grpc: z.string(),
  sidecars: count,
  uptimeSeconds: z.number(),
  /** ISO 8601. */
  rootExpires: z.string(),
});

/** A policy as it applies to one service, each value with the resource that it comes from. */
export const effectiveSchema = z.object({
  kind: z.string(),
  namespace: z.string(),
  service: z.string(),
  /** `origin`: `Kind namespace/name`, or `builtin`. */
  fields: z.array(z.object({ path: z.string(), value: z.unknown(), origin: z.string() })),
});

export const resourcesReplySchema = z.object({
  revision: count,
  resources: z.array(resourceSchema),
  /** Only with `effective=true`. */
  effective: z.array(effectiveSchema).optional(),
});
/** Oldest first; without `from` and `to` the last ones. */
export const revisionsReplySchema = z.object({ revision: count, revisions: z.array(revisionSchema) });
export const diffReplySchema = z.object({ from: count, to: count, changes: z.array(changeSchema) });
export const servicesReplySchema = z.object({ services: z.array(serviceSchema) });
export const proxiesReplySchema = z.object({ proxies: z.array(proxySchema) });
export const edgesReplySchema = z.object({ edges: z.array(edgeSchema) });

/** What `GET /v1/watch` sends: the name of each server-sent event, and its data as JSON. */
export const watchEventSchemas = {
  /** First of all, so that a reader knows what it starts from. */
  hello: z.object({ revision: count }),
  revision: revisionSchema.omit({ changes: true }).extend({ keys: z.array(key) }),
  /** Endpoints of a service came or went. */
  service: z.object({ namespace: z.string(), name: z.string(), endpoints: count }),
  proxy: proxySchema,
};

/** RFC 9457. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: count,
  detail: z.string().optional(),
  /** Stable name of the problem, for programs. */
  code: z.string(),
  issues: z.array(issueSchema).optional(),
});

export type ApplyReply = z.infer<typeof applyReplySchema>;
export type Change = z.infer<typeof changeSchema>;
export type ApiEffective = z.infer<typeof effectiveSchema>;
export type ApiRevision = z.infer<typeof revisionSchema>;
export type ApiService = z.infer<typeof serviceSchema>;
export type ApiProxy = z.infer<typeof proxySchema>;
export type Convergence = z.infer<typeof convergenceSchema>;
export type ApiEdge = z.infer<typeof edgeSchema>;
export type ApiStatus = z.infer<typeof statusSchema>;
export type ApiProblem = z.infer<typeof problemSchema>;
