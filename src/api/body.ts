// Reading request bodies, bounded.
import type { IncomingMessage } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { Fault } from "./fault.ts";

const newline = 10;
const linesType = /^application\/(?:x-ndjson|ndjson|jsonl)\s*(?:;\s*charset\s*=\s*(?:utf-8|"utf-8")\s*)?$/i;
const jsonType = /^application\/json\s*(?:;\s*charset\s*=\s*(?:utf-8|"utf-8")\s*)?$/i;

/**
 * The chunks of a body. Unlike with the request itself, leaving them early does not close the connection before the answer:
 * what the client still sends is thrown away, so that it gets to read the answer.
 * @throws ConnectError `canceled` when the client goes away
 */
export async function* chunksOf(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* request.iterator({ destroyOnReturn: false });
  } catch (error) {
    throw new ConnectError("the client went away", Code.Canceled, undefined, undefined, error);
  } finally {
    request.resume();
  }
}

function refuseCompressed(request: IncomingMessage): void {
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new Fault(Code.Unimplemented, "compressed bodies are not accepted", {
      status: 415,
      headers: { "Accept-Encoding": "identity" },
    });
  }
}

/**
 * Reads a whole body.
 * @throws Fault 413 for more than `maxBytes`, 415 for a Content-Encoding
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  refuseCompressed(request);
  const chunks: Uint8Array[] = [];
  let bytes = Number(request.headers["content-length"] ?? 0);
  if (bytes <= maxBytes) {
    bytes = 0;
    for await (const chunk of chunksOf(request)) {
      bytes += chunk.length;
      if (bytes > maxBytes) break;
      chunks.push(chunk);
    }
  }
  if (bytes <= maxBytes) return Buffer.concat(chunks);
  throw new Fault(Code.ResourceExhausted, `the body is larger than ${maxBytes} bytes`, { status: 413 });
}

/**
 * Reads a whole body as JSON text. No body at all is "{}".
 * @param otherType a content type that the caller takes beside JSON, to be named where the body is neither
 * @throws Fault as `readBody`; 415 for another content type; 400 for what is not UTF-8
 */
export async function readJsonText(request: IncomingMessage, maxBytes: number, otherType?: string): Promise<string> {
  const type = request.headers["content-type"];
  const bytes = await readBody(request, maxBytes);
  if (bytes.length === 0) return "{}";
  if (type === undefined || !jsonType.test(type)) {
    const or = otherType === undefined ? "" : `, or ${otherType}`;
    throw new Fault(Code.InvalidArgument, `the body must be application/json in UTF-8 (with curl: --json)${or}`, {
      status: 415,
      headers: { "Accept-Post": ["application/json", ...(otherType === undefined ? [] : [otherType])].join(", ") },
    });
  }
  return decoded(bytes);
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Fault(Code.InvalidArgument, "the body is not UTF-8", { cause: error });
  }
}

/** Whether the body is lines of JSON. */
export function isLines({ headers }: IncomingMessage): boolean {
  return linesType.test(headers["content-type"] ?? "");
}

/**
 * The lines of a body as they come, however long it is in all; those that are blank are left out.
 * @param maxBytes of a line
 * @throws as `readJsonText`, and as `chunksOf`
 */
export async function* linesOf(request: IncomingMessage, maxBytes: number): AsyncGenerator<string> {
  refuseCompressed(request);
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const line = (): string => {
    const text = decoded(Buffer.concat(parts));
    parts = [];
    bytes = 0;
    return text;
  };
  for await (const chunk of chunksOf(request)) {
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(newline);
      const part = end < 0 ? rest : rest.subarray(0, end);
      bytes += part.length;
      if (bytes > maxBytes)
        throw new Fault(Code.ResourceExhausted, `a line is larger than ${maxBytes} bytes`, { status: 413 });
      parts.push(part);
      if (end < 0) break;
      const text = line();
      if (text.trim() !== "") yield text;
      rest = rest.subarray(end + 1);
    }
  }
  const last = line();
  if (last.trim() !== "") yield last;
}
