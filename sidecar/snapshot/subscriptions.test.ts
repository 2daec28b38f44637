import { manualClock } from '../../lib/clock.ts';
import { noInputs } from './apply-push.ts';
import { Subscriptions } from './subscriptions.ts';

test('however often an app asks, the set of services is sent 20 times a second at most, and all of it', async () => {
  const clock = manualClock();
  const sent: (readonly string[])[] = [];
  const subscriptions = new Subscriptions(['default/cart'], clock, (services) => sent.push(services));
  for (let n = 0; n < 500; n++) {
    void subscriptions.add(`default/ghost-${n}`, noInputs);
    await Promise.resolve();
    clock.advance(2);
  }
  expect(sent.length).toBeGreaterThan(18);
  expect(sent.length).toBeLessThan(22);
  clock.advance(50);
  expect(sent.at(-1)).toHaveLength(501);
  subscriptions.close();
});

test('the first ones are asked for at once, in one message', async () => {
  const sent: (readonly string[])[] = [];
  const subscriptions = new Subscriptions([], manualClock(), (services) => sent.push(services));
  void subscriptions.add('default/cart', noInputs);
  void subscriptions.add('default/stock', noInputs);
  await Promise.resolve();
  expect(sent).toEqual([['default/cart', 'default/stock']]);
  subscriptions.close();
});
