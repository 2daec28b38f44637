/** Where to listen or connect: a TCP address, or the path of a unix-domain socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Reads `host:port`, `[v6]:port`, `:port` (loopback), or `unix:PATH` and absolute paths.
 * Gives undefined when it is none of them; the caller says which flag or field was wrong.
 */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith('unix:') && text.length > 5) return { path: text.slice(5) };
  if (text.startsWith('/')) return { path: text };
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/@]*)):([0-9]{1,5})$/.exec(text);
  if (found === null) return undefined;
  const port = Number(found[3]);
  if (port > 65535) return undefined;
  return { host: found[1] ?? (found[2] || '127.0.0.1'), port };
}

/** The text that `parseAddress` reads back. */
export function formatAddress(address: Address): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** True for addresses that only this machine can reach. */
export function isLoopback(address: Address): boolean {
  if ('path' in address) return true;
  return address.host === 'localhost' || address.host === '::1' || /^127\./.test(address.host);
}
