// Metadata of a peer: checked, turned into Headers, and back.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { HeaderSchema } from "../../gen/dswarm/v1/frame_pb.ts";
import { checkMetadata, headersFromMetadata, metadataBytes, metadataFromHeaders } from "../../src/rpc/metadata.ts";
import { DswarmError } from "../../src/util/errors.ts";
import type { FuzzTarget } from "../engine/target.ts";

export const metadata: FuzzTarget = {
  name: "metadata",
  description: "request and response metadata of a peer",
  maxBytes: 20_000,
  covers: ["src/rpc/metadata"],
  seeds: () =>
    [
      [{ key: "a", value: Buffer.from("text") }],
      [
        { key: "a-bin", value: Uint8Array.of(0, 255) },
        { key: "a-bin", value: Uint8Array.of(1) },
      ],
      [
        { key: "x", value: Buffer.from(" , ") },
        { key: "", value: Buffer.from("é") },
      ],
    ].map((entries) => toBinary(HeaderSchema, create(HeaderSchema, { metadata: entries }))),
  run: (input) => {
    let entries;
    try {
      entries = fromBinary(HeaderSchema, input, { readUnknownFields: false }).metadata;
    } catch {
      return;
    }
    try {
      checkMetadata(entries);
    } catch (error) {
      if (error instanceof DswarmError && error.code.startsWith("metadata_")) return;
      throw error;
    }
    const headers = headersFromMetadata(entries);
    const again = metadataFromHeaders(headers);
    // Headers join the values of a key and trim them; no byte is added but ", ".
    if (metadataBytes(again) > metadataBytes(entries) + 2 * entries.length) throw new Error("it grew on the way");
    for (const [key] of headers)
      if (!entries.some((entry) => entry.key === key)) throw new Error(`${key} was never sent`);
  },
};
