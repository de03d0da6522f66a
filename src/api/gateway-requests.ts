// The requests of a call by the gateway, out of the body: one as JSON, or a stream of them as lines of JSON or an array.
import { type DescMethod, fromJson, type Message, type Registry, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Request } from "express";
import { messageOf } from "../util/errors.ts";
import { isLines, linesOf, readJsonText } from "./body.ts";
import { type ExactJson, parseExactJson } from "./exact-json.ts";
import { Fault } from "./fault.ts";
import { protobufJson } from "./protobuf-json.ts";

const maxInArray = 10_000;

/**
 * The one request of a call.
 * @throws Fault 400, 413, 415
 */
export async function oneRequest(
  method: DescMethod,
  request: Request,
  registry: Registry,
  maxBytes: number,
): Promise<Message> {
  return messageOfJson(method, parsed(await readJsonText(request, maxBytes)), registry);
}

/**
 * The requests of a call, of lines as they come. What is wrong with a line, the iteration throws.
 * @param maxBytes of a line, or of the body that is an array
 * @throws Fault 400, 413, 415
 */
export async function streamOfRequests(
  method: DescMethod,
  request: Request,
  registry: Registry,
  maxBytes: number,
): Promise<AsyncIterable<Message>> {
  if (isLines(request)) return messagesOfLines(method, request, registry, maxBytes);
  const json = parsed(await readJsonText(request, maxBytes));
  const all = Array.isArray(json) ? json : [json];
  if (all.length > maxInArray) throw invalid(`more than ${maxInArray} requests in an array: send lines of JSON`);
  const messages = all.map((each) => messageOfJson(method, each, registry));
  return (async function* () {
    yield* messages;
  })();
}

async function* messagesOfLines(
  method: DescMethod,
  request: Request,
  registry: Registry,
  maxBytes: number,
): AsyncGenerator<Message> {
  for await (const line of linesOf(request, maxBytes)) yield messageOfJson(method, parsed(line), registry);
}

function parsed(text: string): ExactJson {
  try {
    return parseExactJson(text);
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
}

function messageOfJson({ input }: DescMethod, json: ExactJson, registry: Registry): Message {
  try {
    const message = fromJson(input, protobufJson(input, json, { registry }), { registry });
    // It names a required field that is missing, which JSON may leave out.
    toBinary(input, message);
    return message;
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
}

function invalid(message: string, cause?: unknown): Fault {
  return new Fault(Code.InvalidArgument, message, { cause });
}
