import type { Random } from '../../lib/random.ts';
import { fuzzAgainstNode } from './against-node.ts';
import { fuzzConnection } from './connection.ts';
import { fuzzFrames } from './frames.ts';
import { fuzzHpack } from './hpack.ts';
import { fuzzPath } from './path.ts';
import { fuzzRequest } from './request.ts';
import { fuzzResources } from './resources.ts';
import { fuzzResponse } from './response.ts';

/** Checks one random input; throws when a promise is broken. Gives a word for what became of it. */
export type Target = (random: Random) => string | Promise<string>;

export const targets: Readonly<Record<string, Target>> = {
  request: fuzzRequest,
  'request against node:http': fuzzAgainstNode,
  response: fuzzResponse,
  'header blocks of HTTP/2': fuzzHpack,
  'frames of HTTP/2': fuzzFrames,
  'a connection of HTTP/2': fuzzConnection,
  path: fuzzPath,
  resources: fuzzResources,
};
