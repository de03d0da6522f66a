// Messages of services to bytes and back, with the error that each side is to see.
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { DswarmError } from "../util/errors.ts";
import { overLimit } from "../util/over-limit.ts";
import { decodeMessage } from "./message-reader.ts";
import { encodeMessage, type MessageMemory } from "./message-writer.ts";
import type { RpcConfig } from "./params.ts";
import { fromPeer } from "./status.ts";

/**
 * Caller: a request as bytes.
 * @throws ConnectError `internal` for a message that its schema does not allow
 */
export function encodeRequest<I extends DescMessage>(
  schema: I,
  message: MessageInitShape<I>,
  memory?: MessageMemory,
): Uint8Array {
  try {
    return encodeMessage(schema, message, memory);
  } catch (error) {
    throw new ConnectError("the request does not encode", Code.Internal, undefined, undefined, error);
  }
}

/**
 * Checks the length of a message that is to be sent.
 * @throws DswarmError `message_too_large`, with the length and the limit
 */
export function checkMessageBytes(bytes: number, { maxMessageBytes }: Pick<RpcConfig, "maxMessageBytes">): void {
  if (bytes > maxMessageBytes) throw new DswarmError("message_too_large", overLimit(bytes, maxMessageBytes));
}

/**
 * Callee: a request from bytes.
 * @throws DswarmError `message_invalid`
 */
export function decodeRequest<I extends DescMessage>(schema: I, bytes: Uint8Array): MessageShape<I> {
  try {
    return decodeMessage(schema, bytes);
  } catch (error) {
    throw new DswarmError("message_invalid", undefined, { cause: error });
  }
}

/** Looks at an answer before it is decoded. What it throws, the call fails with. */
export type ResponseCheck = (schema: DescMessage, bytes: Uint8Array) => void;

/**
 * Caller: an answer from bytes.
 * @throws ConnectError `internal`, or of the check
 */
export function decodeResponse<O extends DescMessage>(
  schema: O,
  bytes: Uint8Array,
  check?: ResponseCheck,
): MessageShape<O> {
  try {
    check?.(schema, bytes);
    return decodeMessage(schema, bytes);
  } catch (error) {
    if (error instanceof ConnectError) throw error;
    throw fromPeer(new ConnectError("the answer does not decode", Code.Internal, undefined, undefined, error));
  }
}
