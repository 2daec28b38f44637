import { type H2Origin, type H2Peer, h2Origin } from './h2.ts';
import { data, END_HEADERS, END_STREAM, type Frame, headers } from './h2-frames.ts';
import type { Identities } from './identities.ts';
import { startTestSidecar, type TestSidecar } from './sidecar.ts';

/** A sidecar, and an endpoint of the service `web` that does what a script says. */
export interface Hop extends AsyncDisposable {
  readonly origin: H2Origin;
  readonly caller: TestSidecar;
}

export async function startHop(
  mesh: Identities,
  script: Parameters<typeof h2Origin>[0],
  first?: Buffer,
  yaml = '',
): Promise<Hop> {
  const { certPem: cert, keyPem: key, rootsPem: ca } = (await mesh.live('web')).current!;
  const origin = await h2Origin(script, { tls: { cert, key, ca }, first });
  const caller = await startTestSidecar({
    services: { web: [{ at: origin.address, identity: mesh.id('web') }] },
    credentials: await mesh.live('shop'),
    yaml,
  });
  return {
    origin,
    caller,
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

export const ok = (stream: number, body = 'ok'): Buffer =>
  Buffer.concat([headers(stream, [[':status', '200']], END_HEADERS), data(stream, body, END_STREAM)]);

/** The heads of requests that came over the connection, as far as they have not been given before. */
export async function* heads(peer: H2Peer): AsyncGenerator<Frame> {
  for (let at = 0; ; ) {
    const found = await peer.until('a request', (frames) => {
      const next = frames.findIndex(({ type }, i) => i >= at && type === 'HEADERS');
      return next < 0 ? undefined : next;
    });
    at = found + 1;
    yield peer.frames[found]!;
  }
}

/** Answers everything, until the connection is over. */
export async function serve(peer: H2Peer): Promise<void> {
  for await (const { stream } of heads(peer)) await peer.send(ok(stream));
}

/** The next request is answered. */
export async function recovers({ caller }: Hop): Promise<void> {
  expect(await caller.send()).toMatchObject({ status: 200, body: 'ok' });
}
