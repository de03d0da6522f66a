// Values as their exact bytes, application/octet-stream, beside the JSON that has them in base64: curl --data-binary and curl -o.
//
//     request    methods with a body whose message has a field `value` of bytes: the body is the field, the query has the others
//     answer     of GetValue, for a client whose Accept prefers it: the value of the record
import { type DescField, type DescMessage, isMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import type { Request } from "express";
import { GetValueResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { DswarmError } from "../util/errors.ts";

/** The content type of raw values. */
export const rawType = "application/octet-stream";

/** The field that a raw body is; undefined where a message has none. */
export function rawFieldOf(input: DescMessage): DescField | undefined {
  return input.fields.find(
    ({ name, fieldKind, scalar }) => name === "value" && fieldKind === "scalar" && scalar === ScalarType.BYTES,
  );
}

/** The fields that the query has beside a raw body. A key has its place in the path. */
export function rawQueryFields(input: DescMessage): DescField[] {
  const raw = rawFieldOf(input);
  return raw === undefined ? [] : input.fields.filter((field) => field !== raw && field.name !== "key");
}

/** Whether a body is raw. Without a content type it is, as curl -T sends it (RFC 9110, section 8.3). */
export function isRawBody({ headers }: Request): boolean {
  const type = headers["content-type"];
  if (type !== undefined) return /^application\/octet-stream\s*(?:;|$)/i.test(type);
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Whether the answers of a method can be raw. */
export function hasRawAnswer(output: DescMessage): boolean {
  return output.typeName === GetValueResponseSchema.typeName;
}

/** Whether the client wants the bytes rather than JSON. */
export function wantsRaw(request: Request): boolean {
  return request.accepts(["application/json", rawType]) === rawType;
}

/** An answer that is no JSON. */
export interface RawAnswer {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The value of a record. Its sequence, of a mutable one, and the seconds that it has left are headers.
 * @throws DswarmError `record_not_found` for one that is deleted
 */
export function rawAnswer(answer: Message): RawAnswer {
  if (!isMessage(answer, GetValueResponseSchema)) throw new TypeError(`${answer.$typeName} has no raw form`);
  const { kind, ttlS = 0 } = answer.record ?? {};
  if (kind?.case !== "immutable" && kind?.case !== "mutable") throw new DswarmError("record_not_found");
  const headers = { "Content-Type": rawType, "Dswarm-Ttl": `${ttlS}` };
  if (kind.case === "immutable") return { bytes: kind.value.value, headers };
  if (kind.value.deleted) throw new DswarmError("record_not_found");
  return { bytes: kind.value.value, headers: { ...headers, "Dswarm-Sequence": `${kind.value.sequence}` } };
}
