import type { KindEntry } from './policy.ts';

/** Every kind, in the order in which their filters run. A new kind is a folder and a line here. */
export const kinds: readonly KindEntry[] = [];
