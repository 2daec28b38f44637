/** Canonical form of the host that a request is for. RFC 9110 section 7.2, RFC 3986 section 3.2. */

export interface Authority {
  /** Lower case, without port and final dot. */
  readonly host: string;
  /** 0 when none was given. */
  readonly port: number;
}

const form =
  /^(?:(\[[0-9A-Fa-f:.]{2,45}\])|([A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9_-]|$|:)){0,252}))(?::([0-9]{1,5}))?$/;

/** Reads `host[:port]`. Gives undefined for lists, user info, spaces, escapes, empty names and ports beyond 65535. */
export function parseAuthority(text: string): Authority | undefined {
  const found = form.exec(text);
  if (found === null) return undefined;
  const port = found[3] === undefined ? 0 : Number(found[3]);
  if (port > 65535) return undefined;
  const name = (found[1] ?? found[2]!).toLowerCase();
  return { host: name.endsWith('.') ? name.slice(0, -1) : name, port };
}
