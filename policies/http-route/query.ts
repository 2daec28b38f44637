/**
 * The first value of a query parameter, decoded; '' when it has none, undefined when it is absent. `query` is what
 * follows `?`, as form fields (WHATWG URL section 5.1), so `+` is a space.
 */
export function queryValue(query: string, name: string): string | undefined {
  let start = 0;
  while (start <= query.length) {
    let end = query.indexOf('&', start);
    if (end < 0) end = query.length;
    let equals = query.indexOf('=', start);
    if (equals < 0 || equals > end) equals = end;
    if (end > start && decode(query.slice(start, equals)) === name)
      return equals < end ? decode(query.slice(equals + 1, end)) : '';
    start = end + 1;
  }
  return undefined;
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    // Not escapes of UTF-8: what was sent is compared as it stands.
    return text;
  }
}
