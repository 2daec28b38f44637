import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server } from '@grpc/grpc-js';
import { openAuthority } from '../../control-plane/ca/issuer.ts';
import { openJoinTokens } from '../../control-plane/ca/join-tokens.ts';
import { Sealers } from '../../control-plane/ca/sealed.ts';
import { serverCredentials } from '../../control-plane/identity/server-credentials.ts';
import { identityService } from '../../control-plane/identity/service.ts';
import { openEmbeddedStore } from '../../control-plane/store/embedded.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Log, silentLog } from '../../lib/log.ts';

export type IdentityServer = Awaited<ReturnType<typeof startIdentityServer>>;

/** The CA, the join tokens and the Identity service of a control plane, without the rest of it. */
export async function startIdentityServer(options: { clock: Clock; log?: Log; dir?: string; port?: number }) {
  const { clock, log = silentLog } = options;
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'weft-identity-')));
  const store = await openEmbeddedStore({ dir, clock, log: silentLog });
  const secret = Buffer.from('a secret of the test, long enough');
  const authority = await openAuthority({
    vault: store.vault,
    sealers: new Sealers(secret),
    trustDomain: 'weft.test',
    clock,
    log,
  });
  const tokens = await openJoinTokens({ vault: store.vault, authority, clock, log });
  const own = await serverCredentials(authority, ['localhost', '127.0.0.1'], { clock, log });
  const server = new Server();
  const { definition, handlers } = identityService({ authority, tokens, clock, log });
  server.addService(definition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`, own.credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    dir,
    port,
    address: { host: '127.0.0.1', port },
    authority,
    tokens,
    /** Ends it and leaves its folder, for a restart. */
    async stop() {
      server.forceShutdown();
      await own.close();
      await tokens.close();
      await authority.close();
      await store.close();
    },
    async close() {
      await this.stop();
      await rm(dir, { recursive: true });
    },
  };
}
