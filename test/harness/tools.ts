import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The path of a program that a test needs, or undefined when it is nowhere on PATH: then the test is skipped, and says so.
 * Throws instead where every program must be there (`WEFT_REQUIRE_TOOLS=1`, as in CI).
 */
export function findTool(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  if (process.env.WEFT_REQUIRE_TOOLS === '1')
    throw new Error(`${name} is not on PATH, and WEFT_REQUIRE_TOOLS=1 is set`);
  console.warn(`SKIPPED: tests that need ${name}, which is not on PATH`);
  return undefined;
}
