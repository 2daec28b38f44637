import type { GrpcOrigin } from './grpc.ts';
import { makeIdentities } from './identities.ts';
import { startTestSidecar, type TestSidecar, type TestSidecarOptions } from './sidecar.ts';

/** Sidecars through which the service `web` is called. */
interface Way extends AsyncDisposable {
  readonly caller: TestSidecar;
  /** The sidecar beside the app; where there is one alone, the same. */
  readonly last: TestSidecar;
}

/** Each way from a caller to these apps; `more` is for the caller's sidecar, clock and limits for all. */
export const ways: [name: string, start: (apps: GrpcOrigin[], more?: TestSidecarOptions) => Promise<Way>][] = [
  ['one sidecar', one],
  ['two sidecars', two],
];

/** In plain text to the apps. */
async function one(apps: GrpcOrigin[], more: TestSidecarOptions = {}): Promise<Way> {
  const caller = await startTestSidecar({ services: { web: apps.map(({ address }) => address) }, ...more });
  return { caller, last: caller, [Symbol.asyncDispose]: () => caller[Symbol.asyncDispose]() };
}

/** Over mutual TLS to a sidecar beside each app. */
async function two(apps: GrpcOrigin[], more: TestSidecarOptions = {}): Promise<Way> {
  const mesh = await makeIdentities();
  const { clock, limits = {} } = more;
  const common = { limits, ...(clock === undefined ? {} : { clock }) };
  const callees: TestSidecar[] = [];
  for (const { address: app } of apps) {
    const credentials = await mesh.live('web');
    callees.push(await startTestSidecar({ name: 'web', app, mtls: 'strict', credentials, ...common }));
  }
  const caller = await startTestSidecar({
    services: { web: callees.map(({ inbound: at }) => ({ at, identity: mesh.id('web') })) },
    credentials: await mesh.live('shop'),
    ...more,
  });
  return {
    caller,
    last: callees[0]!,
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      for (const callee of callees) await callee[Symbol.asyncDispose]();
    },
  };
}
