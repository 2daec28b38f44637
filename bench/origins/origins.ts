import { fileURLToPath } from 'node:url';
import { askGrpc, askH2, askHttp, askTcp } from '../ask.ts';
import { host } from '../load/load.ts';
import { startBackend } from '../peers/nginx.ts';
import { type Ask, freePort, type Rig, type Started, untilOk } from '../rig.ts';
import type { H2ServerSettings } from './h2-frames.ts';

/** What the proxies forward to: each cheaper than any of them, so that it is never what is measured. */
export type App = 'web' | 'h2' | 'grpc' | 'held' | 'bodies' | 'octets';

/** What an app and its callers speak. */
export type Protocol = 'h1' | 'h2' | 'tcp';

interface AppKind {
  readonly protocol: Protocol;
  /** How a mesh names the protocol of such an app. */
  readonly meshProtocol: 'http' | 'http2' | 'grpc' | 'tcp';
  /** Programs that must be installed for it. */
  readonly programs: readonly string[];
  /** Whether a path leads to it. */
  readonly ask: Ask;
}

/** How long `held` holds each answer back. */
export const heldMs = 1000;

export const apps: Readonly<Record<App, AppKind>> = {
  /** HTTP/1.1: a few bytes at `/`, 1 kB at `/1k`. */
  web: { protocol: 'h1', meshProtocol: 'http', programs: ['nginx'], ask: askHttp('/', host) },
  /** HTTP/2 without TLS, a few bytes. */
  h2: { protocol: 'h2', meshProtocol: 'http2', programs: [], ask: askH2 },
  /** A message of 16 octets and trailers. */
  grpc: { protocol: 'h2', meshProtocol: 'grpc', programs: [], ask: askGrpc },
  /** As `h2`, but each answer takes a second. */
  held: { protocol: 'h2', meshProtocol: 'http2', programs: [], ask: askH2 },
  /** HTTP/1.1 bodies of any size, both ways. */
  bodies: { protocol: 'h1', meshProtocol: 'http', programs: [], ask: askHttp('/octets/1', host) },
  /** Octets both ways, without a protocol that a proxy could know. */
  octets: { protocol: 'tcp', meshProtocol: 'tcp', programs: [], ask: askTcp },
};

const h2Server = new URL('./h2-server.ts', import.meta.url);
const programs: Partial<Record<App, URL>> = {
  bodies: new URL('./bodies-server.ts', import.meta.url),
  octets: new URL('./octets-server.ts', import.meta.url),
};

export interface Origin {
  readonly port: number;
  /** For `held`: most streams open at once since it was last set to 0. */
  mostOpen: number;
}

/** Starts each origin when it is first asked for; they run until the rig is closed. */
export class Origins {
  readonly #rig: Rig;
  readonly #started = new Map<App, Promise<Origin>>();

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  of(app: App): Promise<Origin> {
    const known = this.#started.get(app);
    if (known !== undefined) return known;
    const starting = this.#start(app);
    this.#started.set(app, starting);
    return starting;
  }

  async #start(app: App): Promise<Origin> {
    if (app === 'web') return { port: await startBackend(this.#rig), mostOpen: 0 };
    const port = await freePort();
    const origin: Origin = { port, mostOpen: 0 };
    const settings: H2ServerSettings = { port, delayMs: app === 'held' ? heldMs : 0, grpc: app === 'grpc' };
    const command = [process.execPath, fileURLToPath(programs[app] ?? h2Server), JSON.stringify(settings)];
    const started: Started = this.#rig.start(`origin (${app})`, command, 'load', {
      onLine: (line) => {
        origin.mostOpen = Math.max(origin.mostOpen, (JSON.parse(line) as { open: number }).open);
      },
    });
    await untilOk(started, port, apps[app].ask);
    return origin;
  }
}
