// The suite's service: each request says how it is to be answered, and the answer tells what arrived.
import { setTimeout as delay } from "node:timers/promises";
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  type ConformancePayloadSchema,
  type ConformanceService,
  type Error as ErrorShape,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "../gen/connectrpc/conformance/v1/service_pb.ts";
import { addHeaders, connectErrorOf, headersOf } from "./shapes.ts";

type Payload = MessageInitShape<typeof ConformancePayloadSchema>;

/** `Unimplemented` is left out, as the suite wants it. */
export const conformanceService: Partial<ServiceImpl<typeof ConformanceService>> = {
  unary: (request, context) => answerOne(request.responseDefinition, [anyPack(UnaryRequestSchema, request)], context),

  idempotentUnary: (request, context) =>
    answerOne(request.responseDefinition, [anyPack(IdempotentUnaryRequestSchema, request)], context),

  async clientStream(requests, context) {
    const timeoutMs = context.timeoutMs();
    const { definition, packed } = await readAll(ClientStreamRequestSchema, requests);
    return answerOne(definition, packed, context, timeoutMs);
  },

  async *serverStream(request, context) {
    yield* answerMany(request.responseDefinition, [anyPack(ServerStreamRequestSchema, request)], context);
  },

  async *bidiStream(requests, context) {
    const timeoutMs = context.timeoutMs();
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done === true) return;
    if (first.value.fullDuplex) {
      yield* answerEach(first.value, iterator, context, timeoutMs);
      return;
    }
    const definition = first.value.responseDefinition;
    const rest = await readAll(BidiStreamRequestSchema, { [Symbol.asyncIterator]: () => iterator });
    yield* answerMany(definition, [anyPack(BidiStreamRequestSchema, first.value), ...rest.packed], context, timeoutMs);
  },
};

/** All requests, and the definition that the first one holds. */
async function readAll<D extends DescMessage, Definition>(
  schema: D,
  requests: AsyncIterable<MessageShape<D> & { readonly responseDefinition?: Definition }>,
): Promise<{ definition: Definition | undefined; packed: Any[] }> {
  let definition: Definition | undefined;
  const packed: Any[] = [];
  for await (const request of requests) {
    if (packed.length === 0) definition = request.responseDefinition;
    packed.push(anyPack(schema, request));
  }
  return { definition, packed };
}

async function answerOne(
  definition: UnaryResponseDefinition | undefined,
  requests: Any[],
  context: HandlerContext,
  timeoutMs = context.timeoutMs(),
): Promise<{ payload: Payload }> {
  const requestInfo = requestInfoOf(requests, context, timeoutMs);
  addResponseHeaders(definition, context);
  await wait(definition?.responseDelayMs, context);
  if (definition?.response.case === "error") throw described(definition.response.value, requestInfo);
  return { payload: { requestInfo, data: definition?.response.value ?? new Uint8Array() } };
}

async function* answerMany(
  definition: StreamResponseDefinition | undefined,
  requests: Any[],
  context: HandlerContext,
  timeoutMs = context.timeoutMs(),
): AsyncGenerator<{ payload: Payload }> {
  if (definition === undefined) return;
  const requestInfo = requestInfoOf(requests, context, timeoutMs);
  addResponseHeaders(definition, context);
  for (const [index, data] of definition.responseData.entries()) {
    await wait(definition.responseDelayMs, context);
    yield { payload: index === 0 ? { requestInfo, data } : { data } };
  }
  if (definition.error === undefined) return;
  throw described(definition.error, definition.responseData.length === 0 ? requestInfo : undefined);
}

/** One answer for each request, as long as there are answers. */
async function* answerEach(
  first: MessageShape<typeof BidiStreamRequestSchema>,
  rest: AsyncIterator<MessageShape<typeof BidiStreamRequestSchema>>,
  context: HandlerContext,
  timeoutMs: number | undefined,
): AsyncGenerator<{ payload: Payload }> {
  const definition = first.responseDefinition;
  const firstInfo = requestInfoOf([anyPack(BidiStreamRequestSchema, first)], context, timeoutMs);
  addResponseHeaders(definition, context);
  let answered = 0;
  let request: typeof first | undefined = first;
  while (request !== undefined) {
    const data = definition?.responseData[answered];
    if (data === undefined) break;
    await wait(definition?.responseDelayMs, context);
    const requestInfo = answered === 0 ? firstInfo : { requests: [anyPack(BidiStreamRequestSchema, request)] };
    yield { payload: { requestInfo, data } };
    answered += 1;
    const next = await rest.next();
    request = next.done === true ? undefined : next.value;
  }
  // Answers that no request has asked for follow in the end.
  for (const data of definition?.responseData.slice(answered) ?? []) {
    await wait(definition?.responseDelayMs, context);
    yield { payload: { data } };
  }
  if (definition?.error !== undefined) throw described(definition.error, answered === 0 ? firstInfo : undefined);
}

function requestInfoOf(
  requests: Any[],
  context: HandlerContext,
  timeoutMs: number | undefined,
): ConformancePayload_RequestInfo {
  return create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: headersOf(context.requestHeader),
    requests,
    ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.floor(timeoutMs)) }),
  });
}

function addResponseHeaders(
  definition: UnaryResponseDefinition | StreamResponseDefinition | undefined,
  context: HandlerContext,
): void {
  addHeaders(context.responseHeader, definition?.responseHeaders ?? []);
  addHeaders(context.responseTrailer, definition?.responseTrailers ?? []);
}

/** The error, which also tells of the request where no answer could. */
function described(error: ErrorShape, info: ConformancePayload_RequestInfo | undefined): Error {
  const details = info === undefined ? [] : [anyPack(ConformancePayload_RequestInfoSchema, info)];
  return connectErrorOf({ ...error, details: [...error.details, ...details] });
}

/** Ends early where the call does. */
async function wait(ms: number | undefined, { signal }: HandlerContext): Promise<void> {
  if (ms !== undefined && ms > 0) await delay(ms, undefined, { signal });
}
