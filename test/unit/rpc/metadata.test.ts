import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import * as fc from "fast-check";
import { type Metadata, MetadataSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import {
  checkMetadata,
  headersFromMetadata,
  metadataBytes,
  metadataFromHeaders,
  metadataObjection,
} from "../../../src/rpc/metadata.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { DswarmError } from "../../../src/util/errors.ts";

const { maxMetadataBytes, maxMetadataEntries } = protocol;

function entry(key: string, value: Uint8Array | string = ""): Metadata {
  return create(MetadataSchema, { key, value: typeof value === "string" ? Buffer.from(value, "latin1") : value });
}

function assertCode(run: () => unknown, code: string): void {
  assert.throws(run, (error: unknown) => error instanceof DswarmError && error.code === code);
}

function many(count: number): Metadata[] {
  return Array.from({ length: count }, (_, i) => entry(`k${i}`));
}

/** Two entries of so many bytes, text and binary. */
function large(bytes: number): Metadata[] {
  return [entry("k".repeat(100), "v".repeat(1000)), entry("x-bin", new Uint8Array(bytes - 1105))];
}

const unit = fc.constantFrom(..."abcxyz0189-_.".split(""));
const key = fc.string({ unit, minLength: 1, maxLength: 30 });
const text = fc.string({ unit: "grapheme-ascii", maxLength: 60 }).map((value) => value.trim());

/** Where the last of several values is empty, Headers takes the space after its comma away, or leaves it. */
const trimmed = (all: Headers): string[][] => [...all].map(([name, value]) => [name, value.trim()]);

suite("metadata", () => {
  test("comes back as it was, text and binary", () => {
    const entries = fc.array(
      fc.oneof(
        fc.tuple(
          key.filter((name) => !name.endsWith("-bin")),
          text,
        ),
        fc.tuple(
          key.map((name) => `${name}-bin`),
          fc.uint8Array({ maxLength: 60 }),
        ),
      ),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(entries, (given) => {
        const headers = new Headers();
        for (const [name, value] of given) {
          headers.append(name, typeof value === "string" ? value : encodeBinaryHeader(value));
        }
        const received = metadataFromHeaders(headers);
        assert.equal(metadataObjection(received), undefined);
        assert.deepEqual(trimmed(headersFromMetadata(received)), trimmed(headers));
      }),
    );
  });

  test("of repeated keys keeps every value in order", () => {
    const headers = headersFromMetadata([
      entry("a", "1"),
      entry("b-bin", Uint8Array.of(1, 2)),
      entry("a", "2"),
      entry("b-bin", Uint8Array.of()),
      entry("b-bin", Uint8Array.of(3)),
    ]);
    assert.equal(headers.get("a"), "1, 2");
    const values = metadataFromHeaders(headers).filter(({ key: name }) => name === "b-bin");
    assert.deepEqual(
      values.map(({ value }) => Buffer.from(value).toString("hex")),
      ["0102", "", "03"],
    );
  });

  test("of binary keys is raw on the wire, padded or not in headers", () => {
    for (const base64 of ["AAE=", "AAE"]) {
      const [raw] = metadataFromHeaders(new Headers({ "x-bin": base64 }));
      assert.deepEqual([...(raw?.value ?? [])], [0, 1]);
    }
    const headers = headersFromMetadata([entry("x-bin", Uint8Array.of(0, 255))]);
    assert.deepEqual([...decodeBinaryHeader(headers.get("x-bin") ?? "")], [0, 255]);
  });

  test("is bounded in entries and in bytes of keys and values", () => {
    checkMetadata(many(maxMetadataEntries));
    assertCode(() => checkMetadata(many(maxMetadataEntries + 1)), "metadata_too_large");
    checkMetadata(large(maxMetadataBytes));
    assert.equal(metadataBytes(large(maxMetadataBytes)), maxMetadataBytes);
    assertCode(() => checkMetadata(large(maxMetadataBytes + 1)), "metadata_too_large");
    assert.equal(metadataObjection(large(maxMetadataBytes + 1))?.[0], "metadata_too_large");
    const headers = new Headers({ "x-large": "v".repeat(maxMetadataBytes - 7) });
    assert.equal(metadataFromHeaders(headers).length, 1);
    headers.set("x-large", "v".repeat(maxMetadataBytes - 6));
    assertCode(() => metadataFromHeaders(headers), "metadata_too_large");
  });

  test("has keys of 1 to 256 letters, digits and -_. in lower case", () => {
    for (const good of ["a", "-", "x-y_z.1", "k".repeat(256)]) checkMetadata([entry(good)]);
    for (const bad of ["", "A", "a b", "a:b", "ä", "a\n", "k".repeat(257)]) {
      assertCode(() => checkMetadata([entry(bad)]), "metadata_invalid");
    }
    assertCode(() => metadataFromHeaders(new Headers({ "a!b": "1" })), "metadata_invalid");
  });

  test("has printable ASCII in text values, any bytes in binary ones", () => {
    checkMetadata([entry("a", " ~"), entry("a-bin", Uint8Array.of(0, 10, 127, 255))]);
    for (const bad of ["\t", "\n", "\x7f", "é", "\0"]) {
      assertCode(() => checkMetadata([entry("a", bad)]), "metadata_invalid");
    }
    assertCode(() => metadataFromHeaders(new Headers({ a: "é" })), "metadata_invalid");
    assertCode(() => metadataFromHeaders(new Headers({ "a-bin": "*" })), "metadata_invalid");
  });

  test("that is empty is no fault, and no headers", () => {
    assert.equal(metadataObjection([]), undefined);
    assert.deepEqual([...headersFromMetadata([])], []);
    assert.deepEqual(metadataFromHeaders(new Headers()), []);
  });
});
