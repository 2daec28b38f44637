import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { manualClock } from '../../lib/clock.ts';
import { jsonLog } from '../../lib/log.ts';
import { codeOf, datagram, known, nothing, shop, testNames } from '../../test/harness/names.ts';
import { findTool } from '../../test/harness/tools.ts';
import { until } from '../../test/harness/until.ts';
import { parseQuery, TYPE, writeQuestion } from './message.ts';

const run = promisify(execFile);

describe('names of the mesh', () => {
  test('lead to the address of a service, in the own namespace unless the name has another', async () => {
    await using mesh = await testNames();
    const { asking, lookup } = mesh;
    expect(await lookup('payments.mesh')).toEqual(['127.200.0.1']);
    expect(await lookup('PAYMENTS.default.Mesh')).toEqual(['127.200.0.1']);
    expect(await lookup('web.shop.mesh')).toEqual(['127.200.0.2']);
    expect(await asking.resolve4('payments.mesh', { ttl: true })).toEqual([{ address: '127.200.0.1', ttl: 5 }]);
  });

  test('have nothing but that address, and others do not exist', async () => {
    await using mesh = await testNames({ now: known({ 'default/payments': '127.200.0.1' }, ['default/ghost']) });
    const { asking, lookup } = mesh;
    await expect(asking.resolve6('payments.mesh')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(asking.resolveMx('payments.mesh')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(asking.resolve4('mesh')).rejects.toMatchObject({ code: 'ENODATA' });
    for (const name of ['ghost.mesh', '_payments.mesh', 'a.b.c.mesh'])
      await expect(lookup(name)).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  test('are not told before somebody listens there', async () => {
    await using mesh = await testNames({ reachable: (service) => service !== 'default/payments' });
    const { lookup } = mesh;
    await expect(lookup('payments.mesh')).rejects.toMatchObject({ code: 'ESERVFAIL' });
    expect(await lookup('web.shop.mesh')).toEqual(['127.200.0.2']);
  });

  test('that nobody has asked for yet are asked for, and wait for the answer', async () => {
    const asked: string[] = [];
    await using mesh = await testNames({
      now: nothing,
      resolve: (service) => {
        asked.push(service);
        return Promise.resolve();
      },
    });
    const { inForce, lookup } = mesh;
    const answers = [lookup('payments.mesh'), lookup('ghost.mesh').catch(({ code }: { code: string }) => code)];
    await until('both are asked for', () => asked.length === 2);
    inForce.set({ ...known({}), absent: new Set(['default/ghost']) });
    // The service is known before its address.
    inForce.set({ ...shop, absent: new Set(['default/ghost']) });
    expect(await Promise.all(answers)).toEqual([['127.200.0.1'], 'ENOTFOUND']);
    expect(asked.sort()).toEqual(['default/ghost', 'default/payments']);
  });

  test('wait for 3 s at most; what is known is told while the control plane is away', async () => {
    const clock = manualClock();
    const lines: string[] = [];
    const asked: string[] = [];
    await using mesh = await testNames({
      clock,
      log: jsonLog({ write: (line) => lines.push(line) }),
      resolve: (service) => {
        asked.push(service);
        return new Promise(() => undefined);
      },
    });
    const { lookup } = mesh;
    const answer = lookup('later.mesh').catch(({ code }: { code: string }) => code);
    await until('it is asked for', () => asked.length === 1);
    expect(await lookup('payments.mesh')).toEqual(['127.200.0.1']);
    clock.advance(3000);
    expect(await answer).toBe('ESERVFAIL');
    expect(lines.join()).toContain('"service":"default/later"');
  });

  test('of a mesh from a file exist or do not, as soon as the file is read', async () => {
    await using mesh = await testNames({ complete: true });
    const { inForce, lookup } = mesh;
    await expect(lookup('ghost.mesh')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    inForce.set(known({ 'default/ghost': '127.200.0.3' }));
    expect(await lookup('ghost.mesh')).toEqual(['127.200.0.3']);
  });
});

describe('whatever comes', () => {
  test('over TCP, in pieces, several at once and with no more to come, is answered', async () => {
    await using mesh = await testNames();
    const { at } = mesh;
    const questions = Array.from({ length: 40 }, (_, id) => {
      const message = writeQuestion(id, ['payments', 'mesh'], TYPE.a);
      return Buffer.concat([Buffer.from([0, message.length]), message]);
    });
    const octets = Buffer.concat(questions);
    const socket = connect(at);
    const heard: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => heard.push(chunk));
    const over = new Promise((resolve) => socket.on('end', resolve));
    for (let n = 0; n < octets.length; n += 7) socket.write(octets.subarray(n, n + 7));
    socket.end();
    await over;
    const answers = Buffer.concat(heard);
    const ids = new Set<number>();
    for (let n = 0; n < answers.length; n += answers.readUInt16BE(n) + 2) ids.add(answers.readUInt16BE(n + 2));
    expect(ids.size).toBe(40);
  });

  test('a caller over TCP that says nothing is let go after 10 s', async () => {
    const clock = manualClock();
    await using mesh = await testNames({ clock });
    const { at } = mesh;
    const socket = connect(at);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    // By a reset, as whoever is let go in the middle of a message.
    socket.on('error', () => undefined);
    socket.resume();
    await new Promise((resolve) => socket.write(Buffer.from([0]), resolve));
    await until('it is over', () => {
      clock.advance(10_000);
      return socket.destroyed || socket.readableEnded;
    });
    socket.destroy();
    await closed;
  });

  test('what is no question gets no answer or is refused, and the next question is answered', async () => {
    await using mesh = await testNames();
    const { at, lookup } = mesh;
    const malformed = Buffer.concat([writeQuestion(3, ['payments', 'mesh'], TYPE.a).subarray(0, 20)]);
    expect(codeOf(await datagram(at, malformed))).toBe(1);
    const socket = createSocket('udp4');
    for (const octets of [Buffer.alloc(0), Buffer.alloc(11), Buffer.alloc(60_000, 0xff)])
      socket.send(octets, at.port, at.host);
    expect(await lookup('payments.mesh')).toEqual(['127.200.0.1']);
    socket.close();
  });

  test('a question of another class is refused, and one in an EDNS of later is told which we know', async () => {
    await using mesh = await testNames();
    const { at } = mesh;
    const chaos = writeQuestion(3, ['payments', 'mesh'], TYPE.a);
    chaos[chaos.length - 1] = 3;
    expect(codeOf(await datagram(at, chaos))).toBe(5);
    const later = Buffer.concat([
      writeQuestion(3, ['payments', 'mesh'], TYPE.a),
      Buffer.from([0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0]),
    ]);
    later[11] = 1;
    expect(parseQuery(later)).toMatchObject({ edns: { version: 1 } });
    const answer = await datagram(at, later);
    // BADVERS is 16: its upper part stands in the record of EDNS.
    expect([codeOf(answer), answer[answer.length - 6]]).toEqual([0, 1]);
  });
});

test('a port that is taken is an error', async () => {
  await using mesh = await testNames();
  const { at } = mesh;
  await expect(testNames({ address: at })).rejects.toMatchObject({
    code: 'EADDRINUSE',
    message: expect.stringContaining('it is taken'),
  });
});

const dig = findTool('dig');

(dig === undefined ? test.skip : test)(
  'dig reads the answers, over UDP and TCP, and finds nothing to warn of',
  async () => {
    await using mesh = await testNames({ now: known({ 'default/payments': '127.200.0.1' }, ['default/ghost']) });
    const { at } = mesh;
    const ask = async (...args: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await run(dig!, [`@${at.host}`, '-p', `${at.port}`, '+tries=1', ...args], {
        timeout: 20_000,
      });
      expect(`${stdout}${stderr}`).not.toMatch(/warning|malformed|mismatch|extra bytes/i);
      return stdout;
    };
    for (const over of ['+notcp', '+tcp']) {
      expect(await ask('payments.mesh', over)).toMatch(
        /status: NOERROR[\s\S]*payments\.mesh\.\s+5\s+IN\s+A\s+127\.200\.0\.1/,
      );
      expect(await ask('payments.mesh', 'AAAA', over)).toMatch(
        /status: NOERROR[\s\S]*ANSWER: 0, AUTHORITY: 1[\s\S]*IN\s+SOA/,
      );
      expect(await ask('ghost.mesh', over)).toMatch(
        /status: NXDOMAIN[\s\S]*mesh\.\s+5\s+IN\s+SOA\s+mesh\. hostmaster\.mesh\. 1 3600 600 86400 5/,
      );
      expect(await ask('payments.mesh', '+noedns', over)).toContain('127.200.0.1');
      expect(await ask('payments.mesh', '+edns=1', '+noednsneg', over)).toContain('status: BADVERS');
    }
  },
);
