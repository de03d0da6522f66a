// gRPC status: a ConnectError as the End of a call, and back.
import { create, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type End, EndSchema, type Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import { DswarmError } from "../util/errors.ts";
import { checkMetadata, metadataFromHeaders } from "./metadata.ts";
import { protocol } from "./params.ts";

const typeUrlPrefix = "type.googleapis.com/";
// With it, an End frame with all the metadata that is allowed is still within `protocol.maxFrameBytes`.
const maxDetailBytes = 20_480;
// Tag and length of a detail within the frame.
const detailOverheadBytes = 4;
const maxStatus: number = Code.Unauthenticated;

/** Any error of this end as the ConnectError that a caller gets, of the given code where it names none itself. */
export function connectErrorOf(error: unknown, code: Code = Code.Internal): ConnectError {
  return error instanceof DswarmError ? error.toConnectError() : ConnectError.from(error, code);
}

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

/**
 * The End frame of a failed call. Its size is bounded: details and metadata of the error that do not fit are left out.
 * @param header passed `metadataFromHeaders`; so did `trailer`
 */
export function endOfError(error: ConnectError, header: Metadata[] = [], trailer: Metadata[] = []): End {
  return create(EndSchema, {
    code: isStatus(error.code) ? error.code : Code.Unknown,
    message: shortened(error.rawMessage),
    details: detailsOf(error),
    header,
    trailer: withErrorMetadata(trailer, error),
  });
}

function isStatus(code: number): boolean {
  return Number.isInteger(code) && code >= 1 && code <= maxStatus;
}

function detailsOf(error: ConnectError): Any[] {
  const details: Any[] = [];
  let bytes = 0;
  for (const detail of error.details) {
    const any = packed(detail);
    if (any === undefined) continue;
    const more = any.bytes + detailOverheadBytes;
    // One that is too large leaves those after it their place.
    if (bytes + more > maxDetailBytes) continue;
    bytes += more;
    details.push(any.detail);
  }
  return details;
}

/** A detail and the length of its encoding. Undefined where it does not encode: the error itself matters more. */
function packed(given: ConnectError["details"][number]): { detail: Any; bytes: number } | undefined {
  try {
    const [type, value] =
      "desc" in given
        ? [given.desc.typeName, toBinary(given.desc, create(given.desc, given.value))]
        : [given.type, given.value];
    const detail = create(AnySchema, { typeUrl: typeUrlPrefix + type, value });
    return { detail, bytes: toBinary(AnySchema, detail).length };
  } catch {
    return undefined;
  }
}

/** The trailer with the error's metadata where they can be sent together; the trailer alone otherwise. */
function withErrorMetadata(trailer: Metadata[], error: ConnectError): Metadata[] {
  try {
    const all = [...trailer, ...metadataFromHeaders(error.metadata)];
    checkMetadata(all);
    return all;
  } catch {
    return trailer;
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

// Those that are forgotten leave it.
const fromPeers = new WeakSet<object>();

/** Notes that an error is what a peer has answered. Returns it. */
export function fromPeer(error: ConnectError): ConnectError {
  fromPeers.add(error);
  return error;
}

/** Whether an error is what a peer has answered, one for an answer that makes no sense included. Otherwise this end says so itself. */
export function isFromPeer(error: unknown): boolean {
  return typeof error === "object" && error !== null && fromPeers.has(error);
}

/** The error that an End frame tells of. `metadata` is header and trailer together. */
export function errorOfEnd(end: End, metadata: Headers): ConnectError {
  const error = fromPeer(new ConnectError(end.message, codeOf(end.code), metadata));
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
