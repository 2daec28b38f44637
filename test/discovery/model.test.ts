/** Whatever happens to the mesh, a sidecar that has acknowledged everything holds what a new one would be sent. */
import fc from 'fast-check';
import { type Held, holdsNothing, Subscription, type World } from '../../control-plane/discovery/subscription.ts';
import { EndpointTable, type EndpointView, told } from '../../control-plane/snapshots/endpoints.ts';
import { MeshIndex } from '../../control-plane/snapshots/mesh-index.ts';
import { Scopes } from '../../control-plane/snapshots/scopes.ts';
import { manualClock } from '../../lib/clock.ts';
import { allotAddresses } from '../../lib/service-address.ts';
import { keyOf, meshTarget, type Resource } from '../../policies/resource.ts';
import type { Push } from '../../proto/gen/weft/v1/Push.ts';
import { weftProto } from '../../proto/load.ts';
import { applyPush, noInputs } from '../../sidecar/snapshot/apply-push.ts';
import type { Inputs } from '../../sidecar/snapshot/inputs.ts';
import {
  aPolicy,
  aRoute,
  aService,
  atRoute,
  atService,
  key,
  testKinds,
  testRegistry,
} from '../harness/discovery-fixtures.ts';

const names = ['web', 'a', 'b', 'c'];
const name = fc.constantFrom(...names);
const resource: fc.Arbitrary<Resource> = fc.oneof(
  fc.tuple(name, fc.nat(2)).map(([of, port]) => aService(of, { port })),
  fc.tuple(name, fc.array(name, { maxLength: 2 }), fc.array(name, { maxLength: 2 })).map((args) => aRoute(...args)),
  fc
    .tuple(name, fc.oneof(name.map(atService), name.map(atRoute), fc.constant(meshTarget)), fc.constantFrom('x', 'bad'))
    .map((args) => aPolicy(...args)),
);
const step = fc.oneof(
  fc.record({ do: fc.constant('put' as const), resource }),
  fc.record({ do: fc.constant('delete' as const), resource }),
  fc.record({
    do: fc.constant('endpoint' as const),
    name,
    id: fc.constantFrom('1', '2'),
    port: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({ do: fc.constant('address' as const), name }),
  fc.record({ do: fc.constant('subscribe' as const), names: fc.array(name) }),
  fc.record({ do: fc.constantFrom('send' as const, 'answer' as const, 'reconnect' as const) }),
);

const overTheWire = (push: Push) => {
  const { responseSerialize, responseDeserialize } = weftProto().Discovery.service.Stream;
  return responseDeserialize(responseSerialize({ push })).push!;
};
const isBad = (inputs: Inputs) =>
  [...inputs.resources.values()].some(({ spec }) => (spec as { value?: string }).value === 'bad');
const heldOf = (inputs: Inputs): Held => ({
  scope: undefined,
  resources: inputs.resources,
  services: new Map(
    [...inputs.endpoints].map(([of, byId]): [string, EndpointView] => [of, { generation: told, byId }]),
  ),
  addresses: inputs.addresses,
  roots: '',
});

/** A mesh, one sidecar of it, and one push at most between the two. */
class Model {
  readonly #registry = testRegistry();
  readonly #table = new EndpointTable(this.#registry, manualClock());
  readonly #index = new MeshIndex(testKinds);
  readonly #scopes = new Scopes(this.#index);
  readonly #member = { onScope: (scope: ReturnType<Scopes['join']>) => this.#subscription.want(scope, this.#revision) };
  readonly #addresses = new Map<string, string>();
  #revision = 1;
  #subscriptions: string[] = [];
  #subscription = new Subscription(this.#scopes.join(this.#member, key('web'), []), holdsNothing, 0);
  #push: ReturnType<typeof overTheWire> | undefined;
  inputs: Inputs = noInputs;

  run(todo: typeof step extends fc.Arbitrary<infer T> ? T : never): void {
    if (todo.do === 'put') this.#mutate([{ op: 'put', resource: todo.resource }]);
    else if (todo.do === 'delete') this.#mutate([{ op: 'delete', key: keyOf(todo.resource) }]);
    else if (todo.do === 'endpoint') {
      if (todo.port === 0) this.#registry.remove(key(todo.name), todo.id);
      else this.#registry.add(todo.name, todo.id, todo.port);
      this.#subscription.touch(key(todo.name));
    } else if (todo.do === 'address') {
      this.#addresses.set(key(todo.name), allotAddresses([key(todo.name)]).get(key(todo.name))!);
      this.#subscription.touch(key(todo.name));
    } else if (todo.do === 'subscribe') {
      this.#subscriptions = todo.names.map(key);
      this.#subscription.want(this.#join());
    } else if (todo.do === 'send') this.send();
    else if (todo.do === 'answer') this.answer();
    else this.#reconnect();
  }

  send(): boolean {
    const push = this.#subscription.next(this.#world());
    if (push !== undefined) this.#push = overTheWire(push);
    return push !== undefined;
  }

  answer(): void {
    const push = this.#push;
    this.#push = undefined;
    if (push === undefined) return;
    const result = applyPush(this.inputs, push);
    if ('problems' in result) throw new Error(JSON.stringify(result.problems));
    if (isBad(result.inputs)) this.#subscription.nack(push.nonce, [{ resource: '', path: '', message: 'bad' }]);
    else {
      if (!push.full && push.revision < this.inputs.revision) throw new Error('went back');
      this.inputs = result.inputs;
      this.#subscription.ack(push.nonce);
    }
  }

  /** What a sidecar that holds nothing would be sent. */
  fresh(): Inputs | undefined {
    const push = new Subscription(this.#join(), holdsNothing, 0).next(this.#world());
    const result = push === undefined ? { problems: [] } : applyPush(noInputs, overTheWire(push));
    return 'inputs' in result && !isBad(result.inputs) ? result.inputs : undefined;
  }

  get shown() {
    return { state: this.#subscription.state, behind: this.#revision - this.#subscription.revision(this.#revision) };
  }

  #mutate(mutations: Parameters<Scopes['apply']>[0]): void {
    this.#revision++;
    this.#scopes.apply(mutations);
  }

  #join() {
    return this.#scopes.join(this.#member, key('web'), this.#subscriptions);
  }

  #reconnect(): void {
    this.#push = undefined;
    this.#subscription = new Subscription(this.#join(), heldOf(this.inputs), this.inputs.revision);
  }

  #world(): World {
    return {
      revision: this.#revision,
      roots: { version: '', certificates: [] },
      endpoints: (service, held) => {
        const choice = this.#table.resolve(service, held, () => false);
        return choice.view.byId.size > 0 || this.#index.declares(service) ? choice : undefined;
      },
      address: (service) => this.#addresses.get(service) ?? '',
    };
  }
}

test('a sidecar that has acknowledged everything holds exactly what a new one would be sent', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const model = new Model();
      for (const each of steps) model.run(each);
      let pushes = 0;
      do {
        model.answer();
        if (++pushes > 4) throw new Error('it does not come to rest');
      } while (model.send());
      const fresh = model.fresh();
      expect(isBad(model.inputs)).toBe(false);
      if (fresh === undefined) expect(model.shown.state).toBe('rejected');
      else {
        expect({ ...model.inputs, revision: 0 }).toEqual({ ...fresh, revision: 0 });
        expect(model.shown).toEqual({ state: 'synced', behind: 0 });
      }
    }),
    { numRuns: 300, seed: 7 },
  );
});
