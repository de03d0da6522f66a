// Which failed calls no handler can have seen: those alone are made again unasked, as gRPC does
// (https://github.com/grpc/proposal/blob/master/A6-client-retries.md, "Transparent Retries").
//
//     the connection could not be made                   ─┐
//     the connection took no call any more               ─┼─► never seen
//     the peer's go_away says that it was not handled    ─┘
//     all else: the connection broke, an End, a deadline ───► may have been seen
import { ConnectError } from "@connectrpc/connect";

// Those that are forgotten leave it.
const neverSeenErrors = new WeakSet<object>();

/** Marks the error of a call, or of several, that no handler has seen. It must be used for nothing else. Returns it. */
export function neverSeen<E extends Error>(error: E): E {
  neverSeenErrors.add(error);
  return error;
}

/** Whether a call has failed with an error that says that no handler has seen it. */
export function isNeverSeen(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (neverSeenErrors.has(error)) return true;
  return error instanceof ConnectError && error.cause instanceof Error && neverSeenErrors.has(error.cause);
}

/** The same error for one call, without or with the mark. */
export function copyOf(error: ConnectError): ConnectError {
  const { rawMessage, code, metadata, cause } = error;
  const copy = new ConnectError(rawMessage, code, metadata, undefined, cause);
  copy.details = error.details;
  return copy;
}
