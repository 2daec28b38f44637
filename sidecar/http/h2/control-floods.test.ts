// What control frames cost us at most, and how that is counted.
import { ACK, data, END_STREAM, frame, rst, settings, windowUpdate } from '../../../test/harness/h2-frames.ts';
import { type SessionUnderTest, startSession } from '../../../test/harness/h2-session.ts';

const ping = (text = '8 octets', flags = 0): Buffer => frame('PING', flags, 0, Buffer.from(text));
const unknown = Buffer.from([0, 0, 0, 0xfa, 0, 0, 0, 0, 0]);
const ackOfSettings = frame('SETTINGS', ACK, 0);
const priority = frame('PRIORITY', 0, 1, Buffer.from([0, 0, 0, 5, 1]));
const repeated = (octets: Buffer, times: number): Buffer => Buffer.concat(new Array(times).fill(octets));

describe('a flood of control frames', () => {
  const limits = { controlBurst: 10, controlRate: 10, controlWaiting: 1000 };
  /** One is the SETTINGS that came first. */
  const LEFT = 9;
  test.each([
    ['SETTINGS', settings()],
    ['acknowledgements that nobody asked for', ackOfSettings],
    ['PING', ping()],
    ['answers to no PING', ping('8 octets', ACK)],
    ['PRIORITY', priority],
    ['a type that nobody knows', unknown],
    ['resets of a stream that is over', rst(1)],
  ])('(%s) is one beyond the burst, and none at the rate', async (_, octets) => {
    await using under = await startSession({ limits });
    const stream = under.open();
    under.turn(() => stream.sendLast(undefined));
    under.hears(data(1, '', END_STREAM), ackOfSettings);
    under.hears(repeated(octets, LEFT));
    await under.said();
    expect(under.session.closing).toBe(false);
    under.clock.advance(100);
    under.hears(octets);
    under.clock.advance(200);
    under.hears(octets, octets);
    await under.said();
    expect(under.session.closing).toBe(false);
    under.hears(octets);
    expect((await under.lastWords()).at(-1)).toBe('GOAWAY 0 ENHANCE_YOUR_CALM');
  });

  test('is not what acknowledges our own SETTINGS, nor resets that cross ours', async () => {
    await using under = await startSession({ limits });
    under.hears(ackOfSettings);
    for (let n = 0; n < 20; n++) {
      const stream = under.open();
      under.turn(() => stream.reset(8));
      under.hears(rst(stream.id));
    }
    await under.said();
    under.hears(repeated(ping(), LEFT));
    await under.said();
    expect(under.session.closing).toBe(false);
    // Of each of ours, one.
    under.hears(rst(1));
    expect((await under.lastWords()).at(-1)).toBe('GOAWAY 0 ENHANCE_YOUR_CALM');
  });

  test('(window updates) is one beyond what the data that was sent allows', async () => {
    await using under = await startSession({ limits: { ...limits, windowUpdates: 3 } });
    const stream = under.open();
    under.hears(repeated(windowUpdate(1, 1), 10));
    expect(under.session.closing).toBe(false);
    under.turn(() => stream.sendData(Buffer.from('x'), 0, 1));
    under.hears(repeated(windowUpdate(0, 1), 3));
    await under.said();
    expect(under.session.closing).toBe(false);
    under.hears(windowUpdate(0, 1));
    expect((await under.lastWords()).at(-1)).toBe('GOAWAY 0 ENHANCE_YOUR_CALM');
  });
});

describe('answers that are not read', () => {
  const limits = { controlBurst: 1000, controlWaiting: 20 };
  const provoking: readonly [string, (under: SessionUnderTest) => Buffer][] = [
    ['to PING', () => ping()],
    ['to SETTINGS', () => settings()],
    ['as resets', (under) => windowUpdate(under.open().id, 0)],
  ];

  test.each(provoking)('(%s) may wait up to the limit, and one more ends the connection', async (_, one) => {
    await using under = await startSession({ limits });
    for (let n = 0; n < 20; n++) under.hears(one(under));
    expect(under.session.closing).toBe(false);
    under.hears(one(under));
    expect((await under.lastWords()).at(-1)).toBe('GOAWAY 0 ENHANCE_YOUR_CALM');
  });

  test.each(provoking)('(%s) are counted anew when they have gone', async (_, one) => {
    await using under = await startSession({ limits });
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 20; n++) under.hears(one(under));
      expect(await under.said()).toHaveLength(20);
    }
    expect(under.session.closing).toBe(false);
  });

  test('are not what we give up of our own accord', async () => {
    await using under = await startSession({ limits });
    under.turn(() => {
      for (let n = 0; n < 50; n++) under.open().reset(8);
    });
    expect(await under.said()).toHaveLength(50);
    expect(under.session.closing).toBe(false);
  });
});
