// Headers and errors as the suite's messages have them, and as Connect's API has them.
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import type { Code as CodeShape } from "../gen/connectrpc/conformance/v1/config_pb.ts";
import {
  ErrorSchema,
  type Error as ErrorShape,
  type Header,
  HeaderSchema,
} from "../gen/connectrpc/conformance/v1/service_pb.ts";
import { codeOf } from "../status-code.ts";

const typeUrlPrefix = "type.googleapis.com/";

/** Adds the suite's headers to a call's. */
export function addHeaders(to: Headers, headers: readonly Header[]): void {
  for (const { name, value } of headers) for (const one of value) to.append(name, one);
}

/** A call's headers; values of one name stay joined by commas, which the suite splits. */
export function headersOf(headers: Headers): Header[] {
  return [...headers].map(([name, value]) => create(HeaderSchema, { name, value: [value] }));
}

/** Returns the error that a request describes, for a handler to throw. */
export function connectErrorOf({ code, message, details }: ErrorShape): ConnectError {
  const error = new ConnectError(message ?? "", codeOf(code));
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
  return error;
}

/** What a caller caught, as the suite wants to read it. */
export function errorShapeOf(error: ConnectError): ErrorShape {
  const details = error.details.flatMap((detail) =>
    "type" in detail ? [create(AnySchema, { typeUrl: typeUrlPrefix + detail.type, value: detail.value })] : [],
  );
  return create(ErrorSchema, { code: error.code as number as CodeShape, message: error.rawMessage, details });
}
