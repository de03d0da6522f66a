// JSON in requests of Connect's protocol, made exact before Connect's codec rounds its numbers.
//
//     unary      the body, or the parameter `message` of a GET
//     streams    envelopes: 1 byte of flags, 4 bytes of length, the JSON (https://connectrpc.com/docs/protocol)
import { type DescMessage, fromJson, type Registry } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { messageOf } from "../util/errors.ts";
import { parseExactJson } from "./exact-json.ts";
import { protobufJson } from "./protobuf-json.ts";

const prefixBytes = 5;
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * The JSON of a message with its numbers as the codec reads them exactly.
 * @throws ConnectError `invalid_argument` for what is not the message
 */
export function exactMessage(input: DescMessage, json: Uint8Array, registry: Registry): Uint8Array {
  try {
    // As by the short routes.
    const exact = protobufJson(input, parseExactJson(decoder.decode(json)), { registry, allowNull: false });
    fromJson(input, exact, { registry });
    return Buffer.from(JSON.stringify(exact));
  } catch (error) {
    throw new ConnectError(messageOf(error), Code.InvalidArgument, undefined, undefined, error);
  }
}

/**
 * The URL of a GET with its message made exact. A compressed message, or one over the limit, is Connect's to refuse.
 * @throws ConnectError `invalid_argument` for what is not the message
 */
export function exactUrl(input: DescMessage, url: string, maxBytes: number, registry: Registry): string {
  const [path = "", query = ""] = url.split("?", 2);
  const parameters = new URLSearchParams(query);
  const message = parameters.get("message");
  if (message === null || parameters.get("encoding") !== "json" || parameters.has("compression")) return url;
  const bytes = Buffer.from(message, parameters.get("base64") === "1" ? "base64url" : "utf8");
  if (bytes.length > maxBytes) return url;
  parameters.set("message", Buffer.from(exactMessage(input, bytes, registry)).toString("base64url"));
  parameters.set("base64", "1");
  return `${path}?${parameters}`;
}

/**
 * The envelopes of a stream with their messages made exact. Those over the limit pass as they are, for Connect to refuse.
 * @throws ConnectError `invalid_argument` for what is not the message; what the body throws
 */
export async function* exactEnvelopes(
  input: DescMessage,
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  registry: Registry,
): AsyncGenerator<Uint8Array> {
  /** Of one envelope, as far as it has come. Bounded by `maxBytes` and a chunk. */
  let rest = Buffer.alloc(0);
  let isPassing = false;
  for await (const chunk of body) {
    rest = Buffer.concat([rest, chunk]);
    const ready: Uint8Array[] = [];
    while (!isPassing && rest.length >= prefixBytes) {
      const length = rest.readUInt32BE(1);
      isPassing = length > maxBytes;
      if (isPassing || rest.length < prefixBytes + length) break;
      ready.push(envelope(rest[0] ?? 0, input, rest.subarray(prefixBytes, prefixBytes + length), registry));
      rest = rest.subarray(prefixBytes + length);
    }
    if (isPassing) {
      ready.push(rest);
      rest = Buffer.alloc(0);
    }
    // Together, as they came: Connect looks at all that is there before it hands on the first message.
    if (ready.length > 0) yield Buffer.concat(ready);
  }
  if (rest.length > 0) yield rest;
}

/** A compressed message, or one that ends the stream, is Connect's to judge. */
function envelope(flags: number, input: DescMessage, json: Uint8Array, registry: Registry): Uint8Array {
  const exact = flags === 0 ? exactMessage(input, json, registry) : json;
  const prefix = Buffer.alloc(prefixBytes);
  prefix[0] = flags;
  prefix.writeUInt32BE(exact.length, 1);
  return Buffer.concat([prefix, exact]);
}
