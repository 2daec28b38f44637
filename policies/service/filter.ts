import type { KindFilter } from '../policy.ts';

/** A service is a destination: it has nothing to run. */
export const filter: KindFilter = { kind: 'Service' };
