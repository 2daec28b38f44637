import type { RE2JS } from 're2js';

/** Says whether a whole text matches, as RE2 does in Envoy: anchored at both ends, in time linear in the text. */
export type FullMatch = (text: string) => boolean;

/** Turns expressions into matchers. Needs the engine, which is loaded for the first route that has an expression. */
export interface RegexEngine {
  compile(expression: string): FullMatch;
}

/** Loads the engine (about 5 MB of memory). */
export async function loadRegexEngine(): Promise<RegexEngine> {
  const { RE2JS: engine } = await import('re2js');
  return regexEngine(engine);
}

/** Throws RE2JSSyntaxException when the expression is not valid. */
export const regexEngine = (engine: typeof RE2JS): RegexEngine => ({
  compile(expression) {
    const compiled = engine.compile(expression);
    return (text) => compiled.testExact(text);
  },
});
