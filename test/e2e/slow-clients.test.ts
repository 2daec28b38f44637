// A thousand callers at once who take as long as they can, in each way that slowhttptest knows; everybody else is served.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { eventually } from '../harness/eventually.ts';
import { ask } from '../harness/load.ts';
import { http1Origin, type Origin } from '../harness/origin.ts';
import { findTool } from '../harness/tools.ts';
import { type Running, startWeft } from '../harness/weft.ts';

const slowhttptest = findTool('slowhttptest');

const CALLERS = 1000;
/** What an answer to somebody else may take, in ms, beyond what a busy machine takes for one without a sidecar. */
const PATIENCE_MS = 5000;
/** What one caller may cost, in octets: some reads and writes of 64 KiB, and what the kernel holds is not ours. */
const EACH = 384 * 1024;

interface Attack {
  readonly flags: readonly string[];
  readonly path: string;
  /** How long it goes on, unless all its connections are closed before. */
  readonly seconds: number;
  /** Its connections are closed before it ends. */
  readonly cutOff: boolean;
}
const attacks: Readonly<Record<string, Attack>> = {
  'heads that trickle in': { flags: ['-H', '-i', '3', '-x', '24', '-t', 'GET'], path: '/', seconds: 20, cutOff: true },
  'bodies that trickle in': {
    flags: ['-B', '-i', '3', '-x', '10', '-s', '8192', '-t', 'POST'],
    path: '/',
    seconds: 20,
    cutOff: true,
  },
  'answers that are read octet by octet': {
    flags: ['-X', '-w', '10', '-y', '20', '-n', '5', '-z', '32', '-k', '1'],
    path: '/large',
    // Long enough for all of its callers to have begun on a busy machine, too.
    seconds: 30,
    cutOff: false,
  },
  'thousands of ranges': {
    flags: ['-R', '-a', '10', '-b', '3000', '-t', 'HEAD'],
    path: '/large',
    seconds: 20,
    cutOff: true,
  },
};

interface Outcome {
  readonly printed: string;
  /** What others got meanwhile that was not good, or late. */
  readonly harmed: readonly string[];
  readonly probes: number;
  /** Answers that were under way at once, at most. */
  readonly answering: number;
  /** Growth of the sidecar at its worst, in octets. */
  readonly grown: number;
}

let origin: Origin;
let sidecar: Running | undefined;
beforeAll(async () => {
  if (slowhttptest === undefined) return;
  // One buffer for all: a text would be put into octets anew for each of a thousand callers.
  const large = Buffer.alloc(2_000_000, 'x');
  origin = await http1Origin((req, res) => {
    // Not before the body is there: who answers early sends the attacker away.
    req.resume().on('end', () => res.end(req.url === '/large' ? large : 'hello'));
  });
});
afterEach(async () => {
  await sidecar?.end();
});
afterAll(async () => {
  await origin?.[Symbol.asyncDispose]();
});

const rss = ({ child }: Running): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) * 1024;

async function run({ flags, path, seconds, cutOff }: Attack): Promise<Outcome> {
  const { host, port } = origin.address as { host: string; port: number };
  const free = ['--inbound', '--outbound', '--admin'].flatMap((flag) => [flag, '127.0.0.1:0']);
  const what = ['--mtls', 'off', '--access-log', 'off', '--log-level', 'error'];
  const running = startWeft(['sidecar', '--service', 'web', '--app', `${host}:${port}`, ...free, ...what]);
  sidecar = running;
  const { inbound, admin } = await running.line((line) =>
    line.startsWith('{"event":"listening"') ? (JSON.parse(line) as Record<string, string>) : undefined,
  );
  await ask({ at: inbound!, host: 'web' });
  const base = rss(running);
  let most = base;
  let answering = 0;

  /** What the sidecar says of its callers. */
  const gauge = async (name: string): Promise<number> => {
    const metrics = await (await fetch(`http://${admin}/metrics`)).text();
    const found = metrics
      .split('\n')
      .filter(
        (line) =>
          line.startsWith(`${name}{`) && line.includes('direction="inbound"') && !line.includes('end="upstream"'),
      );
    return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  };
  let going = true;
  const harmed: string[] = [];
  let probes = 0;
  const probe = async (at: string) => {
    const begin = performance.now();
    const got = await ask({ at, host: 'web' }).catch((error: unknown) => ({ status: 0, body: String(error) }));
    return { ...got, took: Math.round(performance.now() - begin) };
  };
  const others = (async () => {
    while (going) {
      const [{ took, ...got }, straight] = await Promise.all([probe(inbound!), probe(`${host}:${port}`)]);
      if (got.status !== 200 || got.body !== 'hello' || took > PATIENCE_MS + 4 * straight.took)
        harmed.push(`${got.status} after ${took} ms (without a sidecar ${straight.took} ms): ${got.body}`);
      probes++;
      most = Math.max(most, rss(running));
      answering = Math.max(answering, await gauge('weft_requests_in_flight'));
      await pause(50);
    }
  })();
  const all = [
    '-c',
    String(CALLERS),
    '-r',
    '500',
    '-l',
    String(seconds),
    '-p',
    '3',
    '-u',
    `http://${inbound}${path}`,
    ...flags,
  ];
  const printed = await new Promise<string>((resolve) => {
    execFile(slowhttptest!, all, { timeout: (seconds + 20) * 1000 }, (_, stdout, stderr) =>
      resolve(stripVTControlCharacters(stdout + stderr)),
    );
  });
  going = false;
  await others;
  await eventually(
    'the attackers are gone',
    async () => (await gauge('weft_connections')) <= 1 || undefined,
    cutOff ? 10_000 : 70_000,
  );
  return { printed, harmed, probes, answering, grown: most - base };
}

(slowhttptest === undefined ? test.skip : test).each(Object.entries(attacks))(
  '%s',
  async (_, attack) => {
    const { printed, harmed, probes, answering, grown } = await run(attack);
    // Reading as slowly as its callers do, it cannot tell itself whether others are served.
    if (attack.cutOff) {
      expect(printed).toMatch(/service available:\s+YES/);
      expect(printed).not.toMatch(/service available:\s+NO/);
      expect(printed).toMatch(/No open connections left/);
    }
    if (!attack.cutOff) expect(answering).toBeGreaterThan(0.9 * CALLERS);
    expect(harmed).toEqual([]);
    expect(probes).toBeGreaterThan(10);
    expect(grown).toBeLessThan(CALLERS * EACH);
  },
  120_000,
);
