import { didYouMean } from '../policies/did-you-mean.ts';
import { kinds } from '../policies/index.ts';
import { exit, Failure } from './failure.ts';

/** The kind that a user names: in any case, one or many (`httproutes`). Throws Failure with the nearest known one. */
export function kindNamed(given: string): string {
  const known = kinds.map(({ kind }) => kind);
  const lower = given.toLowerCase();
  const found = known.find((kind) =>
    [kind, `${kind}s`, kind.replace(/y$/, 'ies')].some((form) => form.toLowerCase() === lower),
  );
  if (found !== undefined) return found;
  throw new Failure(exit.usage, `no kind '${given}'${didYouMean(given, known)}\nknown are ${known.join(', ')}`);
}
