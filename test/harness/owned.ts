/**
 * What a test opens, closed after it, the last first. Called where a file or a `describe` begins; gives the function that
 * takes a part in and hands it back.
 */
export function closedAfterEach(): <T extends { close(): Promise<void> }>(part: T) => T {
  const opened: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  });
  return (part) => {
    opened.push(part);
    return part;
  };
}
