// Ending iterators that a user gave.

/** Tells an iterator that no more is wanted of it. Never throws, whatever its `return` does: nobody is left to tell. */
export function endIterator(iterator: AsyncIterator<unknown>): void {
  callReturn(iterator).catch(() => undefined);
}

async function callReturn(iterator: AsyncIterator<unknown>): Promise<void> {
  await iterator.return?.();
}
