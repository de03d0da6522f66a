// How an error says that something is too large: the same words in every layer.

/**
 * The detail of an error that something is over a limit of its size: both numbers.
 * @param isWhole whether it has that many bytes, and not more that are not there yet
 */
export function overLimit(bytes: number, limit: number, isWhole = true): string {
  return `${isWhole ? "" : "at least "}${bytes} bytes, the limit is ${limit}`;
}
