/** Where chance comes from. Injected, so that tests repeat. Not for keys or tokens: those use node:crypto. */
export interface Random {
  /** A whole number in [0, n). */
  below(n: number): number;
  /** A number in [0, 1). */
  unit(): number;
}

export const systemRandom: Random = {
  below: (n) => Math.floor(Math.random() * n),
  unit: () => Math.random(),
};

/** The same sequence for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { unit, below: (n) => Math.floor(unit() * n) };
}
