/**
 * Resolves when `happened` says so; fails with `what` after 10 s, and with what `seen` tells of the state then. For
 * states that have no event of their own.
 */
export async function until(
  what: string,
  happened: () => boolean | Promise<boolean>,
  seen?: () => string,
): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await happened())) {
    if (performance.now() > end)
      throw new Error(`it has not happened in 10 s that ${what}${seen === undefined ? '' : `: ${seen()}`}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Gives `count` when it has stayed the same for a while: for what must not happen. */
export async function still(count: () => number): Promise<number> {
  for (let before = -1; ; before = count()) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (count() === before) return before;
  }
}
