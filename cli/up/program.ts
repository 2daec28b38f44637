import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The `weft` that this process belongs to: in a checkout, in the package, or in the image. */
export function weftProgram(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const program = join(folder, 'bin', 'weft');
    if (existsSync(program)) return program;
    if (folder === dirname(folder)) throw new Error(`bin/weft is not above ${import.meta.dirname}`);
  }
}
