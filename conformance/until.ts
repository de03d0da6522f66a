// Waiting for what is to happen.
const deadlineMs = 12_000;
const pollMs = 2;

/** Resolves once the condition holds; rejects after `patienceMs`, 12 s by default. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  patienceMs = deadlineMs,
): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
    await new Promise((go) => setTimeout(go, pollMs));
  }
}

/** Resolves once a number has not changed for so many milliseconds, to the number. */
export async function settled(what: string, read: () => number | Promise<number>, quietMs = 300): Promise<number> {
  let last = await read();
  let since = performance.now();
  await until(`${what} settles`, async () => {
    const now = await read();
    if (now !== last) {
      last = now;
      since = performance.now();
    }
    return performance.now() - since >= quietMs;
  });
  return last;
}
