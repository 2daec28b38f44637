import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

const maxBytes = 8 * 1024 * 1024;

/** The output of one process, line by line. When it is full it is put aside as `.1` and begun anew: a mesh may run for days. */
export class LogFile {
  readonly path: string;
  #fd: number;
  #bytes: number;
  #open = true;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'a', 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  /** Lines that come after `close` are dropped: a pipe may empty itself when its process is long gone. */
  write(line: string): void {
    if (!this.#open) return;
    if (this.#bytes > maxBytes) {
      closeSync(this.#fd);
      renameSync(this.path, `${this.path}.1`);
      this.#fd = openSync(this.path, 'a', 0o600);
      this.#bytes = 0;
    }
    this.#bytes += writeSync(this.#fd, `${line}\n`);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }
}
