// Metadata of a peer's calls as HTTP headers, under the names that grpc-gateway has for them: a header that the client set for
// itself, or that a proxy or browser adds, never reaches a peer, and nothing that a peer says becomes a header with a meaning
// of its own for the page that shares the origin, such as Set-Cookie.
//
//     Grpc-Metadata-Name: value      of the request, and of what the peer sends before its first answer
//     Grpc-Trailer-Name: value       of what the peer sends with its last answer, or with its error
import type { IncomingMessage } from "node:http";
import { Code } from "@connectrpc/connect";
import { Fault } from "./fault.ts";

const headerPrefix = "grpc-metadata-";
const trailerPrefix = "grpc-trailer-";

/**
 * The metadata that a request has for the peer.
 * @throws Fault 400 where a header has nothing behind the prefix
 */
export function callMetadata({ headersDistinct }: IncomingMessage): Headers {
  const metadata = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    if (!name.startsWith(headerPrefix)) continue;
    const key = name.slice(headerPrefix.length);
    if (key === "") throw new Fault(Code.InvalidArgument, "Grpc-Metadata- is followed by the name of the metadata");
    for (const value of values) metadata.append(key, value);
  }
  return metadata;
}

/** The headers of an answer that has this metadata. */
export function metadataHeaders(metadata: Headers): [string, string[]][] {
  return valuesByKey(metadata).map(([key, values]) => [headerPrefix + key, values]);
}

/** The headers of an answer that has these trailers. */
export function trailerHeaders(trailer: Headers): [string, string[]][] {
  return valuesByKey(trailer).map(([key, values]) => [trailerPrefix + key, values]);
}

/** Metadata as JSON, as Connect's protocol has trailers at the end of a stream. Undefined where there is none. */
export function metadataJson(metadata: Headers): { readonly [key: string]: string[] } | undefined {
  const entries = valuesByKey(metadata);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Several values only of Set-Cookie, which Headers keep apart; those of other keys they join with commas. */
function valuesByKey(metadata: Headers): [string, string[]][] {
  const byKey = Map.groupBy(metadata, ([key]) => key);
  return [...byKey].map(([key, entries]) => [key, entries.map(([, value]) => value)]);
}
