import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface Ask {
  /** host:port that is asked. */
  readonly at: string;
  readonly host: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly agent?: Agent;
}

/** One request through a sidecar, or anything else that listens. Rejects when no whole answer comes within 15 s. */
export function ask({ at, host, method = 'GET', path = '/', headers = {}, body = '', agent }: Ask): Promise<Answer> {
  const [hostname, port] = at.split(':');
  const length = body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const all = { host, ...length, ...headers };
    const sent = request({ host: hostname, port, method, path, headers: all, agent: agent ?? false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
      response.on('error', reject);
    });
    sent.setTimeout(15_000, () => sent.destroy(new Error('no answer within 15 s')));
    sent.on('error', reject);
    sent.end(body);
  });
}

export interface Load {
  /** Bodies so far, of answers with status 200. */
  readonly bodies: readonly string[];
  /** What was not a 200. */
  readonly failures: readonly string[];
  /** Resolves when this many more requests have been answered. */
  more(requests: number): Promise<void>;
  /** Waits for what is under way. */
  stop(): Promise<void>;
}

/** Clients that ask again as soon as they have their answer, over kept connections. */
export function startLoad(clients: number, what: Omit<Ask, 'agent'>): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const bodies: string[] = [];
  const failures: string[] = [];
  const waiting = new Set<() => void>();
  let going = true;
  let answered = 0;

  const client = async (): Promise<void> => {
    while (going) {
      try {
        // Each request may be repeated by the mesh: the service pays once for each key.
        const headers = { 'idempotency-key': randomUUID(), ...what.headers };
        const { status, headers: got, body } = await ask({ ...what, headers, agent });
        if (status === 200) bodies.push(body);
        else failures.push(`${status} ${got['weft-error'] ?? ''} ${body}`);
      } catch (error) {
        failures.push(String(error));
      }
      answered++;
      for (const look of [...waiting]) look();
    }
  };
  const running = Array.from({ length: clients }, client);
  return {
    bodies,
    failures,
    more(requests) {
      const goal = answered + requests;
      return new Promise((resolve) => {
        const look = (): void => {
          if (answered < goal) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
      });
    },
    async stop() {
      going = false;
      await Promise.all(running);
      agent.destroy();
    },
  };
}
