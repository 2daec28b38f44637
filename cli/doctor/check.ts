/** One thing that was looked at. */
export interface Check {
  readonly group: string;
  readonly state: 'ok' | 'warning' | 'broken';
  /** What was found. */
  readonly text: string;
  /** What to do about it; only when it is not ok. */
  readonly advice?: string;
}

export const ok = (group: string, text: string): Check => ({ group, state: 'ok', text });
export const warning = (group: string, text: string, advice: string): Check => ({
  group,
  state: 'warning',
  text,
  advice,
});
export const broken = (group: string, text: string, advice: string): Check => ({
  group,
  state: 'broken',
  text,
  advice,
});
