import { manualClock } from '../../lib/clock.ts';
import { jsonLog } from '../../lib/log.ts';
import { freePort } from '../../test/harness/free-port.ts';
import { codeOf, datagram, testNames } from '../../test/harness/names.ts';
import { answerTo, testResolver } from '../../test/harness/resolver.ts';
import { until } from '../../test/harness/until.ts';
import { TYPE, writeQuestion } from './message.ts';

const bigQuestion = (id: number) => writeQuestion(id, ['www', 'example', 'com'], TYPE.a);

describe('all other names', () => {
  test('are asked of the resolver, each under an id and from a port of its own', async () => {
    await using other = await testResolver((octets) => [answerTo(octets, { address: [192, 0, 2, 1] })]);
    await using mesh = await testNames({ resolvers: [other] });
    const { lookup } = mesh;
    for (let n = 0; n < 8; n++) expect(await lookup(`www${n}.example.com`)).toEqual(['192.0.2.1']);
    const questions = other.asked.slice(1);
    expect(questions).toHaveLength(8);
    expect(new Set(questions.map(({ from }) => from)).size).toBeGreaterThan(4);
    expect(new Set(questions.map(({ octets }) => octets.readUInt16BE(0))).size).toBeGreaterThan(4);
  });

  test('are believed only in an answer to the question under its id', async () => {
    await using other = await testResolver((octets) => {
      const right = answerTo(octets, { address: [192, 0, 2, 1] });
      const wrong = answerTo(octets, { address: [198, 51, 100, 1] });
      wrong.writeUInt16BE((octets.readUInt16BE(0) + 1) & 0xffff, 0);
      const another = Buffer.from(answerTo(octets, { address: [198, 51, 100, 2] }));
      another[13] = 0x78;
      return [Buffer.from('no DNS at all'), Buffer.alloc(0), wrong, another, right];
    });
    await using mesh = await testNames({ resolvers: [other] });
    const { lookup } = mesh;
    expect(await lookup('www.example.com')).toEqual(['192.0.2.1']);
  });

  test('are asked of the next resolver when one is away, cannot answer or says nothing', async () => {
    const clock = manualClock();
    const away = { host: '127.0.0.1', port: await freePort() };
    await using failing = await testResolver((octets) => [answerTo(octets, { code: 2 })]);
    await using silent = await testResolver(() => []);
    await using good = await testResolver((octets) => [answerTo(octets, { address: [192, 0, 2, 1] })]);
    await using mesh = await testNames({ clock, resolvers: [away, failing, silent, good] });
    const { lookup } = mesh;
    await until('all are there', () => silent.asked.length === 1);
    // Nobody waits for the silent one for longer than this at the start.
    clock.advance(1000);
    const answer = lookup('www.example.com');
    await until('the silent one is asked', () => silent.asked.length === 2);
    clock.advance(2000);
    expect(await answer).toEqual(['192.0.2.1']);
  });

  test('that are nowhere are told so; without anybody to ask they are refused', async () => {
    await using other = await testResolver((octets) => [answerTo(octets, { code: 3 })]);
    await using asking = await testNames({ resolvers: [other] });
    await expect(asking.lookup('www.example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await using alone = await testNames();
    await expect(alone.lookup('www.example.com')).rejects.toMatchObject({ code: 'EREFUSED' });
  });

  test('with long answers come over TCP, however long; over UDP it is said that there is more', async () => {
    await using other = await testResolver((octets, over) =>
      over === 'tcp'
        ? [answerTo(octets, { address: [192, 0, 2, 1], size: 60_000 })]
        : // A resolver that does not keep to what the asker takes.
          [answerTo(octets, { address: [192, 0, 2, 1], size: 4000 })],
    );
    await using mesh = await testNames({ resolvers: [other] });
    const { at, lookup } = mesh;
    expect(await lookup('www.example.com')).toEqual(['192.0.2.1']);
    expect(other.asked.map(({ over }) => over).slice(1)).toEqual(['udp', 'tcp']);
    const answer = await datagram(at, bigQuestion(9));
    expect(answer.readUInt16BE(0)).toBe(9);
    expect(answer[2]! & 2).toBe(2);
    expect(answer.length).toBeLessThan(512);
  });

  test('are not asked of a resolver that asks us in turn', async () => {
    const lines: string[] = [];
    await using circle = await testResolver(() => []);
    await using good = await testResolver((octets) => [answerTo(octets, { address: [192, 0, 2, 1] })]);
    await using found = await testNames({
      resolvers: [circle, good],
      log: jsonLog({ write: (line) => lines.push(line) }),
    });
    await until('it is asked', () => circle.asked.length === 1);
    expect(codeOf(await datagram(found.at, circle.asked[0]!.octets))).toBe(3);
    expect(await found.lookup('www.example.com')).toEqual(['192.0.2.1']);
    expect(circle.asked).toHaveLength(1);
    expect(lines.join()).toContain('"event":"names.loop"');
  });

  test('are no longer asked of one that turns out later to ask us', async () => {
    const clock = manualClock();
    await using circle = await testResolver(() => []);
    await using good = await testResolver((octets) => [answerTo(octets, { address: [192, 0, 2, 1] })]);
    await using found = await testNames({ resolvers: [circle, good], clock });
    await until('it is asked', () => circle.asked.length === 1);
    clock.advance(1000);
    const first = found.lookup('www.example.com');
    await until('it is asked', () => circle.asked.length === 2);
    clock.advance(2000);
    expect(await first).toEqual(['192.0.2.1']);
    await until('it is looked at again', () => circle.asked.length === 3);
    expect(codeOf(await datagram(found.at, circle.asked[2]!.octets))).toBe(3);
    expect(await found.lookup('www.example.com')).toEqual(['192.0.2.1']);
    expect(circle.asked).toHaveLength(3);
  });
});
