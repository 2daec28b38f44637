// The cases of h2spec, the strict ones included: as an app meets the sidecar, and as another sidecar does.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import type { Address } from '../../lib/address.ts';
import { makeLeaf } from '../harness/certs.ts';
import { makeIdentities } from '../harness/identities.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { findTool } from '../harness/tools.ts';

const h2spec = findTool('h2spec');
/** Of version 2.2.1 with `--strict`. */
const CASES = 146;
/** What h2spec cannot try with this server, and leaves out itself. */
const skipped: readonly string[] = [];

const folder = mkdtempSync(join(tmpdir(), 'weft-h2spec-'));
let origin: Origin;
let sidecar: TestSidecar;
let door: Server;
/** Where h2spec can speak TLS: it has no certificate to show, so this one shows its own to the sidecar behind it. */
let doorPort: number;

beforeAll(async () => {
  const mesh = await makeIdentities();
  // Answers when it has all of a request, so that there is still somebody to judge the end of one.
  origin = await http1Origin((req, res) => void req.resume().on('end', () => res.end('x'.repeat(1000))));
  sidecar = await startTestSidecar({
    services: { localhost: [origin.address] },
    app: origin.address,
    mtls: 'strict',
    credentials: await mesh.live('web'),
  });
  const leaf = await makeLeaf(mesh.root, { uris: [mesh.id('h2spec')] });
  const options = await mesh.client('shop');
  const { host, port } = sidecar.inbound as Extract<Address, { host: string }>;
  door = createServer({ cert: leaf.chainPem, key: leaf.keyPem, ALPNProtocols: ['h2'] }, (outer: TLSSocket) => {
    const inner = connect({ host, port, ...options, ALPNProtocols: ['h2'], checkServerIdentity: () => undefined });
    // An end in whatever way is for h2spec to judge.
    pipeline(outer, inner, outer, () => inner.destroy());
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  doorPort = (door.address() as { port: number }).port;
});

afterAll(async () => {
  await new Promise((resolve) => door.close(resolve));
  await sidecar[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Verdict {
  readonly name: string;
  readonly verdict: 'passed' | 'failed' | 'skipped';
}

async function run(flags: readonly string[]): Promise<readonly Verdict[]> {
  const report = join(folder, `${flags.length}.xml`);
  const args = ['--strict', '-h', 'localhost', '-j', report, '-o', '2', ...flags];
  const output = await new Promise<string>((resolve) => {
    execFile(h2spec!, args, { timeout: 100_000 }, (_, stdout, stderr) => resolve(`${stdout}\n${stderr}`));
  });
  const cases = [
    ...readFileSync(report, 'latin1').matchAll(/<testcase package="(.*?)" classname="(.*?)".*?>(.*?)<\/testcase>/gs),
  ];
  if (cases.length !== CASES) throw new Error(`${cases.length} cases:\n${output}`);
  return cases.map(([, part, name, content]) => ({
    name: `${part}: ${name}`,
    verdict: content!.includes('<skipped') ? 'skipped' : content === '' ? 'passed' : 'failed',
  }));
}

(h2spec === undefined ? test.skip : test).each([
  ['plain text', () => ['-p', String((sidecar.outbound as { port: number }).port)]],
  ['TLS', () => ['-p', String(doorPort), '--tls', '--insecure']],
] as const)(
  'every case passes over %s',
  async (_, flags) => {
    const verdicts = await run(flags());
    const named = (which: Verdict['verdict']): string[] =>
      verdicts.filter(({ verdict }) => verdict === which).map(({ name }) => name);
    expect(named('failed')).toEqual([]);
    expect(named('skipped')).toEqual(skipped);
    await expect(sidecar.send({ host: 'localhost' })).resolves.toMatchObject({ status: 200 });
  },
  120_000,
);
