import { expositionType } from '../../lib/exposition.ts';

/** What the admin server shows and does; called at each request. */
export interface AdminParts {
  /** `reason`: why it is not ready, or what is to be said although it is; '' for nothing. */
  readonly ready: () => { readonly ready: boolean; readonly reason: string };
  /** The same about the requests of the app to others only: whether the app itself takes any does not matter. */
  readonly readyOutbound: AdminParts['ready'];
  /** What the sidecar runs, or a promise of it. Whoever gives it leaves secrets out. */
  readonly config: () => unknown;
  /** In the text format of Prometheus. */
  readonly metrics: () => string;
  /** Who this sidecar is, in a few fields. */
  readonly info: () => unknown;
  /** Begins to drain; absent where nobody may. */
  readonly drain?: (() => void) | undefined;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** The methods of a page that was asked with another one. */
  readonly allow?: string;
}

interface Page {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly summary: string;
  answer(parts: AdminParts): Answer | Promise<Answer>;
}

/** RFC 9457. */
export function problem(status: number, code: string, title: string, detail?: string): Answer {
  const type = `https://weft.dev/problems/${code.toLowerCase().replaceAll('_', '-')}`;
  return {
    status,
    type: 'application/problem+json',
    body: `${JSON.stringify({ type, title, status, code, ...(detail === undefined ? {} : { detail }) })}\n`,
  };
}

const json = (value: unknown, status = 200): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value, null, 2)}\n`,
});

function readyAnswer({ ready, reason }: ReturnType<AdminParts['ready']>): Answer {
  if (ready) return json({ ready: true, ...(reason === '' ? {} : { note: reason }) });
  return problem(503, 'NOT_READY', 'this sidecar carries no requests now', reason);
}

/** Everything there is. Nothing that changes state answers to GET. */
const pages: readonly Page[] = [
  { method: 'GET', path: '/', summary: 'this page', answer: (parts) => indexPage(parts) },
  { method: 'GET', path: '/live', summary: '200 while the process answers', answer: () => json({ live: true }) },
  {
    method: 'GET',
    path: '/ready',
    summary: '200 when requests are carried; 503 and the reason otherwise',
    answer: (parts) => readyAnswer(parts.ready()),
  },
  {
    method: 'GET',
    path: '/ready/outbound',
    summary:
      '200 when requests of the app to others are carried, so that the app may start; 503 and the reason otherwise',
    answer: (parts) => readyAnswer(parts.readyOutbound()),
  },
  {
    method: 'GET',
    path: '/metrics',
    summary: 'metrics in the text format of Prometheus',
    answer: (parts) => ({ status: 200, type: expositionType, body: parts.metrics() }),
  },
  {
    method: 'GET',
    path: '/config',
    summary: 'the configuration in force',
    answer: async (parts) => json(await parts.config()),
  },
  { method: 'GET', path: '/info', summary: 'who this sidecar is', answer: (parts) => json(parts.info()) },
  {
    method: 'POST',
    path: '/drain',
    summary: 'leave the registry and end what is under way',
    answer(parts) {
      if (parts.drain === undefined) return problem(403, 'FORBIDDEN', 'draining is not allowed here');
      parts.drain();
      return json({ draining: true }, 202);
    },
  },
];

/** What a request is answered, wherever it came from. `target`: as the request line has it. */
export function answerTo(parts: AdminParts, method: string, target: string): Answer | Promise<Answer> {
  const [path] = target.split('?', 1);
  const found = pages.filter((page) => page.path === path);
  if (found.length === 0)
    return problem(404, 'NOT_FOUND', 'there is no such page', `there are ${pages.map((page) => page.path).join(' ')}`);
  const page = found.find((one) => one.method === (method === 'HEAD' ? 'GET' : method));
  if (page !== undefined) return page.answer(parts);
  return methodRefused(found.flatMap((one) => (one.method === 'GET' ? ['GET', 'HEAD'] : [one.method])).join(', '));
}

/** `allow`: the methods that are taken. */
export const methodRefused = (allow: string): Answer => ({
  ...problem(405, 'METHOD_NOT_ALLOWED', 'this page does not take this method', `it takes ${allow}`),
  allow,
});

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (char) => entities[char]!);

/** For people: no script, and links relative so that they hold when the page is passed on under another path. */
function indexPage(parts: AdminParts): Answer {
  const { ready, reason } = parts.ready();
  const rows = pages.map(({ method, path, summary }) => {
    const shown = `${method} ${path}`;
    const link = method === 'GET' && path !== '/' ? `<a href=".${path}">${shown}</a>` : shown;
    return `<tr><td>${link}</td><td>${escapeHtml(summary)}</td></tr>`;
  });
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Weft sidecar</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}td{padding-right:1.5rem}</style></head>
<body><h1>Weft sidecar</h1>
<p>${[ready ? 'Ready' : 'Not ready', ...(reason === '' ? [] : [escapeHtml(reason)])].join(': ')}.</p>
<table>${rows.join('\n')}</table>
<pre>${escapeHtml(JSON.stringify(parts.info(), null, 2) ?? '')}</pre>
</body></html>
`,
  };
}
