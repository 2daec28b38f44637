import { type Address, formatAddress, parseAddress } from '../lib/address.ts';
import { envName } from '../lib/options.ts';
import { type ExitCode, exit } from './failure.ts';

type Env = Readonly<Record<string, string | undefined>>;

interface Asked {
  readonly what: string;
  readonly at: Address;
  readonly path: string;
}

interface Said {
  readonly well: boolean;
  readonly text: string;
}

const timeoutMs = 3000;
const maxAnswer = 4096;

/**
 * For health checks of containers: asks the sidecar of this machine, or else the control plane, whether it is well, and gives
 * the exit code with a line for people. It finds them where their own environment variables or defaults put them. A sidecar
 * is well when it carries the requests of its app, whether or not the app takes any: the app waits for it.
 */
export async function askHealth(env: Env): Promise<{ readonly exitCode: ExitCode; readonly text: string }> {
  const asked: readonly Asked[] = [
    { what: 'the sidecar', at: addressIn(env, 'admin', '127.0.0.1:15000'), path: '/ready/outbound' },
    { what: 'the control plane', at: addressIn(env, 'api', '127.0.0.1:7080'), path: '/readyz' },
  ];
  for (const each of asked) {
    const said = await ask(each);
    if (said !== undefined) return { exitCode: said.well ? exit.done : exit.no, text: said.text };
  }
  const places = asked.map(({ what, at }) => `${what} at ${formatAddress(at)}`).join(' or ');
  return { exitCode: exit.unreachable, text: `nothing listens here: asked for ${places}` };
}

/** Where it is asked from here: who listens on every address listens on loopback, too. */
function addressIn(env: Env, name: string, fallback: string): Address {
  const given = env[envName(name)];
  const address = parseAddress(given ?? '') ?? parseAddress(fallback)!;
  if ('path' in address) return address;
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address.host] ?? address.host;
  return { host, port: address.port };
}

/** Undefined when nobody listens there. */
function ask({ what, at, path }: Asked): Promise<Said | undefined> {
  // Not imported: an import of node:http evaluates all that it exports, and this runs every few seconds.
  const http = process.getBuiltinModule('node:http');
  const where = 'path' in at ? { socketPath: at.path } : at;
  return new Promise((resolve) => {
    const request = http.get({ ...where, path, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text = (text + piece).slice(0, maxAnswer);
      });
      response.on('error', (error) => resolve({ well: false, text: `${what} broke off: ${error.message}` }));
      response.on('end', () => {
        const well = response.statusCode === 200;
        resolve({ well, text: well ? `${what} is well` : `${what} is not well: ${reasonIn(text)}` });
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs / 1000}s`)));
    request.on('error', (error: NodeJS.ErrnoException) => {
      const nobody = error.code === 'ECONNREFUSED' || error.code === 'ENOENT';
      resolve(nobody ? undefined : { well: false, text: `${what} does not answer: ${error.message}` });
    });
  });
}

/** Of a problem document, what is for people; the text as it is otherwise. */
function reasonIn(text: string): string {
  try {
    const { title, detail } = JSON.parse(text) as { title?: string; detail?: string };
    return detail ?? title ?? text;
  } catch (error) {
    return error instanceof SyntaxError ? text : String(error);
  }
}
