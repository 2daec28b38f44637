import { z } from 'zod';
import { fields, name, resourceName } from './fields.ts';
import { mustBe } from './issue-text.ts';

const ignored = z.unknown().optional();
/** Set by Kubernetes on what it hands out. Taken and dropped, so that `kubectl get -o yaml` can be applied as it is. */
const setByKubernetes = {
  annotations: ignored,
  creationTimestamp: ignored,
  deletionTimestamp: ignored,
  finalizers: ignored,
  generation: ignored,
  managedFields: ignored,
  ownerReferences: ignored,
  resourceVersion: ignored,
  selfLink: ignored,
  uid: ignored,
};

const labelKey = /^(?:[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^(?:[A-Za-z0-9](?:[-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?$/;

const labels = z
  .record(
    z.string().regex(labelKey),
    z.string().regex(labelValue, {
      error:
        "is not a label value: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    }),
    {
      error: (issue) =>
        issue.code === 'invalid_key'
          ? "is not a label name: at most 63 letters, digits, '-', '_' and '.', with an optional prefix such as example.com/"
          : undefined,
    },
  )
  .refine((all) => Object.keys(all).length <= 64, 'must have at most 64 entries')
  .describe('For people and for selecting; the mesh does not read them.');

export const metadataSchema = fields({
  name: resourceName('Unique within the kind and namespace.'),
  namespace: name('`default` when absent.').default('default'),
  labels: labels.optional(),
  ...setByKubernetes,
}).transform(({ name, namespace, labels }) => ({ name, namespace, ...(labels === undefined ? {} : { labels }) }));

/** The envelope, before the kind is known. */
export const envelopeSchema = fields({
  apiVersion: z.string({ error: (issue) => mustBe('an API version such as weft.dev/v1', issue.input) }).max(128),
  kind: z.string({ error: (issue) => mustBe('a kind such as Service', issue.input) }).max(128),
  metadata: metadataSchema,
  // The schema of the kind says when it is missing.
  spec: z.unknown().optional(),
  status: ignored,
});
