// gRPC status: a ConnectError as the End of a call, and back.
import { create, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type End, EndSchema, type Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import { DswarmError } from "../util/errors.ts";
import { metadataFromHeaders } from "./metadata.ts";
import { protocol } from "./params.ts";

const typeUrlPrefix = "type.googleapis.com/";
const maxDetailBytes = 32_768;

/**
 * What a handler threw, as the error that the caller may see: ConnectErrors and dswarm's own as they are, all else without
 * its text, which may tell what is nobody's business and goes to `onFault` instead.
 */
export function publicError(thrown: unknown, onFault: (thrown: unknown) => void): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  if (thrown instanceof DswarmError) return thrown.toConnectError();
  if (thrown instanceof Error && thrown.name === "AbortError") {
    return new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, thrown);
  }
  onFault(thrown);
  return new ConnectError("internal error", Code.Internal, undefined, undefined, thrown);
}

/** The End frame of a failed call. Its size is bounded: what does not fit is left out. */
export function endOfError(error: ConnectError, header: Metadata[] = [], trailer: Metadata[] = []): End {
  const details: Any[] = [];
  let bytes = 0;
  for (const detail of error.details) {
    const any =
      "desc" in detail
        ? create(AnySchema, {
            typeUrl: typeUrlPrefix + detail.desc.typeName,
            value: toBinary(detail.desc, create(detail.desc, detail.value)),
          })
        : create(AnySchema, { typeUrl: typeUrlPrefix + detail.type, value: detail.value });
    bytes += any.value.length + any.typeUrl.length;
    if (bytes > maxDetailBytes) break;
    details.push(any);
  }
  return create(EndSchema, {
    code: error.code,
    message: shortened(error.rawMessage),
    details,
    header,
    trailer: [...trailer, ...errorMetadata(error)].slice(0, protocol.maxMetadataEntries),
  });
}

function errorMetadata(error: ConnectError): Metadata[] {
  try {
    return metadataFromHeaders(error.metadata);
  } catch {
    // The error itself matters more than metadata that cannot be sent.
    return [];
  }
}

function shortened(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= protocol.maxErrorMessageBytes) return message;
  return `${bytes
    .subarray(0, protocol.maxErrorMessageBytes - 8)
    .toString()
    .replaceAll("\ufffd", "")}…`;
}

/** The error that an End frame tells of. `metadata` is header and trailer together. */
export function errorOfEnd(end: End, metadata: Headers): ConnectError {
  const error = new ConnectError(end.message, codeOf(end.code), metadata);
  error.details = end.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}

function codeOf(status: number): Code {
  const name = Code[status] as keyof typeof Code | undefined;
  return name === undefined ? Code.Unknown : Code[name];
}
