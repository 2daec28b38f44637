export const MB = 1024 * 1024;

/** Octets outside of the heap (buffers, most of all) that this process holds more than before. */
export async function grown(run: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage().external;
  await run();
  return process.memoryUsage().external - before;
}
