import type { z } from 'zod';
import { formatIssue, type Issue } from '../../lib/issues.ts';
import type { issueSchema } from '../../proto/api/api.ts';

/** An issue as the API sent it. What it left out is absent here, not undefined. */
export const toIssue = (sent: z.infer<typeof issueSchema>): Issue => JSON.parse(JSON.stringify(sent)) as Issue;

export const issueLine = (sent: z.infer<typeof issueSchema>): string => formatIssue(toIssue(sent));
