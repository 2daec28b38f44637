import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { askGrpc, askH2, askHttp, askTcp } from '../ask.ts';
import type { BulkOrder, BulkReport } from '../load/bulk.ts';
import type { HoldOrder, HoldReport } from '../load/hold.ts';
import { type Ask, freePort, untilOk } from '../rig.ts';
import { Frames, field, frame, frameTypes, type H2ServerSettings } from './h2-frames.ts';

describe('the origin for HTTP/2', () => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const settings = frame(frameTypes.settings, 0, Buffer.alloc(0));
  const data = frame(frameTypes.data, 1, Buffer.from('abc'));
  const sent = Buffer.concat([preface, settings, data]);

  test('cuts what it is sent into the same frames wherever it is split', () => {
    const whole = new Frames().read(sent);
    expect(whole.map(({ type, flags, payload }) => [type, flags, String(payload)])).toEqual([
      [4, 0, ''],
      [0, 1, 'abc'],
    ]);
    for (let at = 0; at <= sent.length; at++) {
      const frames = new Frames();
      expect([...frames.read(sent.subarray(0, at)), ...frames.read(sent.subarray(at))]).toEqual(whole);
    }
  });

  test('refuses what is not HTTP/2', () => {
    expect(() => new Frames().read(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))).toThrow('not HTTP/2');
  });

  test('writes fields that change no table', () => {
    expect(field('a', 'bc')).toEqual(Buffer.from([0, 1, 0x61, 2, 0x62, 0x63]));
  });
});

/** Each program runs as the bench runs it, but on no CPU of its own. */
describe('the programs beside the proxies', () => {
  const children: ChildProcess[] = [];
  const run = (file: string, order: object): ChildProcess => {
    const program = fileURLToPath(new URL(file, import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    return child;
  };
  const reports = async <T>(file: string, order: object): Promise<T[]> => {
    const child = run(file, order);
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as T);
  };
  const startOrigin = async (file: string, settings: Omit<H2ServerSettings, 'port'>, ask: Ask): Promise<number> => {
    const port = await freePort();
    const child = run(file, { port, ...settings });
    const check = (): void => {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}`);
    };
    await untilOk({ name: file, check, output: () => '' }, port, ask);
    return port;
  };
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  });
  const plain = { delayMs: 0, grpc: false };

  test('answer HTTP/2 and gRPC as an independent client understands it', async () => {
    const small = await startOrigin('./h2-server.ts', plain, askH2);
    expect(await askGrpc(small)).toBe('status 200, 12 octets, grpc-status missing');
    await startOrigin('./h2-server.ts', { delayMs: 0, grpc: true }, askGrpc);
  });

  test('survive one who speaks something else', async () => {
    const h2 = await startOrigin('./h2-server.ts', plain, askH2);
    const tcp = await startOrigin('./octets-server.ts', plain, askTcp);
    expect(await askHttp('/')(h2)).not.toBe('ok');
    expect(await askHttp('/')(tcp)).not.toBe('ok');
    expect([await askH2(h2), await askTcp(tcp)]).toEqual(['ok', 'ok']);
  });

  test('hold answers back for as long as they are told', async () => {
    const port = await startOrigin('./h2-server.ts', { delayMs: 150, grpc: false }, askH2);
    const begin = performance.now();
    expect(await askH2(port)).toBe('ok');
    expect(performance.now() - begin).toBeGreaterThanOrEqual(150);
  });

  test('move bodies both ways, over HTTP/1.1 and without a protocol', async () => {
    const http = await startOrigin('./bodies-server.ts', plain, askHttp('/octets/1'));
    const tcp = await startOrigin('./octets-server.ts', plain, askTcp);
    for (const over of ['http', 'tcp'] as const)
      for (const direction of ['down', 'up'] as const) {
        const port = over === 'http' ? http : tcp;
        const order: BulkOrder = { over, direction, port, size: 300_001, connections: 2, seconds: 0.05 };
        const [report] = await reports<BulkReport>('../load/bulk-client.ts', order);
        expect(report!.problems).toEqual([]);
        expect(report!.bodies).toBeGreaterThanOrEqual(2);
      }
  });

  test('say that a path is broken instead of waiting for it', async () => {
    const port = await freePort();
    const order: BulkOrder = { over: 'tcp', direction: 'down', port, size: 1, connections: 2, seconds: 0.05 };
    const [report] = await reports<BulkReport>('../load/bulk-client.ts', order);
    expect(report!.problems).toEqual([`2 times: connect ECONNREFUSED 127.0.0.1:${port}`]);
  });

  test('hold connections that stay open while they are idle', async () => {
    const port = await startOrigin('./bodies-server.ts', plain, askHttp('/octets/1'));
    const order: HoldOrder = { port, connections: 100, holdMs: 50 };
    const [first, second] = await reports<HoldReport>('../load/hold-client.ts', order);
    expect([first!.answered, first!.problems, second!.answered, second!.problems]).toEqual([100, [], 100, []]);
  });
});
