// Metadata on the wire and as Connect's Headers. Binary values (keys that end in "-bin") are raw bytes on the wire and
// base64 in Headers, as gRPC and Connect have it.
import { create } from "@bufbuild/protobuf";
import { decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import { type Metadata, MetadataSchema } from "../../gen/dswarm/v1/frame_pb.ts";
import { DswarmError } from "../util/errors.ts";
import { overLimit } from "../util/over-limit.ts";
import { protocol } from "./params.ts";
import type { Objection } from "./refusal.ts";

const keyPattern = /^[0-9a-z_.-]{1,256}$/;
const valuePattern = /^[\x20-\x7e]*$/;

/**
 * Headers as metadata.
 * @throws DswarmError `metadata_invalid` or `metadata_too_large`
 */
export function metadataFromHeaders(headers: Headers): Metadata[] {
  const entries: Metadata[] = [];
  for (const [key, value] of headers) {
    if (!keyPattern.test(key)) throw new DswarmError("metadata_invalid", `the key ${JSON.stringify(key)}`);
    if (key.endsWith("-bin")) {
      // Headers join values of one key by ", "; base64 has no comma.
      for (const part of value.split(",")) entries.push(entry(key, binary(key, part.trim())));
    } else {
      if (!valuePattern.test(value)) throw new DswarmError("metadata_invalid", `the value of ${key} is not ASCII`);
      entries.push(entry(key, Buffer.from(value, "latin1")));
    }
  }
  checkMetadata(entries);
  return entries;
}

function binary(key: string, base64: string): Uint8Array {
  try {
    return decodeBinaryHeader(base64);
  } catch (error) {
    throw new DswarmError("metadata_invalid", `the value of ${key} is not base64`, { cause: error });
  }
}

function entry(key: string, value: Uint8Array): Metadata {
  return create(MetadataSchema, { key, value });
}

/**
 * Checks the bounds of metadata that are to be sent.
 * @throws DswarmError `metadata_invalid` or `metadata_too_large`
 */
export function checkMetadata(entries: readonly Metadata[]): void {
  const objection = metadataObjection(entries);
  if (objection !== undefined) throw new DswarmError(...objection);
}

/** What is wrong with metadata; undefined where they are within the bounds. */
export function metadataObjection(entries: readonly Metadata[]): Objection | undefined {
  if (entries.length === 0) return undefined;
  if (entries.length > protocol.maxMetadataEntries) {
    return ["metadata_too_large", `${entries.length} entries, the limit is ${protocol.maxMetadataEntries}`];
  }
  let bytes = 0;
  for (const { key, value } of entries) {
    bytes += key.length + value.length;
    if (bytes > protocol.maxMetadataBytes) return ["metadata_too_large", sizeOf(entries)];
    if (!keyPattern.test(key)) return ["metadata_invalid", "a key"];
    if (!key.endsWith("-bin") && !valuePattern.test(Buffer.from(value).toString("latin1"))) {
      return ["metadata_invalid", `the value of ${key}`];
    }
  }
  return undefined;
}

function sizeOf(entries: readonly Metadata[]): string {
  return overLimit(metadataBytes(entries), protocol.maxMetadataBytes);
}

/** Bytes of all keys and values. */
export function metadataBytes(entries: readonly Metadata[]): number {
  return entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}

/** Metadata that passed `checkMetadata`, as Headers. */
export function headersFromMetadata(entries: readonly Metadata[]): Headers {
  const headers = new Headers();
  for (const { key, value } of entries) {
    headers.append(key, key.endsWith("-bin") ? encodeBinaryHeader(value) : Buffer.from(value).toString("latin1"));
  }
  return headers;
}
