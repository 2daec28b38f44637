// Somebody else's HTTP/1.1 cases against a sidecar, where WEFT_H1_SUITE says where their runner (h1_run.py) is.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../harness/free-port.ts';
import { findTool } from '../harness/tools.ts';
import { type Running, startWeft } from '../harness/weft.ts';

const runner = process.env.WEFT_H1_SUITE;
const python = runner === undefined ? undefined : findTool('python3');
if (runner === undefined) console.warn('SKIPPED: HTTP/1.1 conformance suite: WEFT_H1_SUITE does not name its runner');

interface Verdicts {
  readonly results: readonly { readonly id: string; readonly pass: boolean }[];
}

const folder = mkdtempSync(join(tmpdir(), 'weft-h1-'));
let backend: number;
let proxy: string;
let sidecar: Running | undefined;

beforeAll(async () => {
  if (python === undefined) return;
  // The runner is the app behind the sidecar, too, and wants to be told where to listen.
  backend = await freePort();
  const where = ['--inbound', '127.0.0.1:0', '--outbound', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const what = ['--mtls', 'off', '--max-request-body', '32768', '--access-log', 'off', '--log-level', 'error'];
  sidecar = startWeft([
    'sidecar',
    '--service',
    'web',
    '--app',
    `127.0.0.1:${backend}`,
    '--app-protocol',
    'http',
    ...where,
    ...what,
  ]);
  proxy = await sidecar.line((line) => (line.startsWith('{') ? JSON.parse(line).inbound : undefined));
});

afterAll(async () => {
  await sidecar?.end();
  rmSync(folder, { recursive: true });
});

(python === undefined ? test.skip : test).each(['whole', 'bytes', 'split', 'second'])(
  'every case passes when it is sent in the mode %s',
  async (mode) => {
    const json = join(folder, `${mode}.json`);
    const args = [runner!, '--proxy', proxy, '--backend-port', String(backend), '--mode', mode, '--json', json];
    const output = await new Promise<string>((resolve) => {
      execFile(python!, args, { timeout: 100_000 }, (_, stdout, stderr) => resolve(`${stdout}\n${stderr}`));
    });
    if (!existsSync(json)) throw new Error(`the suite did not come to its end:\n${output}`);
    const { results } = JSON.parse(readFileSync(json, 'utf8')) as Verdicts;
    expect(results).not.toEqual([]);
    expect(results.filter(({ pass }) => !pass)).toEqual([]);
  },
  120_000,
);
