import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import * as fc from "fast-check";
import { EchoRequestSchema } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { EndSchema, FrameSchema, type Metadata } from "../../../gen/dswarm/v1/frame_pb.ts";
import { metadataFromHeaders, metadataObjection } from "../../../src/rpc/metadata.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { connectErrorOf, endOfError, errorOfEnd, publicError } from "../../../src/rpc/status.ts";
import { DswarmError } from "../../../src/util/errors.ts";

const { maxErrorMessageBytes, maxFrameBytes, maxMetadataBytes } = protocol;

const codes = Object.values(Code).filter((status): status is Code => typeof status === "number");
const code = fc.constantFrom(...codes);
const detail = fc.record({ type: fc.string({ maxLength: 300 }), value: fc.uint8Array({ maxLength: 30_000 }) });

function largestMetadata(name: string): Metadata[] {
  return metadataFromHeaders(new Headers({ [name]: "v".repeat(maxMetadataBytes - name.length) }));
}

suite("status", () => {
  test("of any error is one frame that a peer takes", () => {
    const error = fc
      .record({
        code,
        message: fc.string({ unit: "binary", maxLength: 9000 }),
        details: fc.array(detail, { maxLength: 40 }),
      })
      .map(({ message, details, code: status }) => {
        const made = new ConnectError(message, status, { "x-error": "e".repeat(16_000) });
        made.details = details;
        return made;
      });
    fc.assert(
      fc.property(error, fc.boolean(), (given, isFull) => {
        const end = endOfError(given, ...(isFull ? [largestMetadata("x-h"), largestMetadata("x-t")] : []));
        const frame = create(FrameSchema, { streamId: 2 ** 31, body: { case: "end", value: end } });
        assert.ok(toBinary(FrameSchema, frame).length <= maxFrameBytes);
        assert.equal(metadataObjection(end.header), undefined);
        assert.equal(metadataObjection(end.trailer), undefined);
        assert.ok(Buffer.byteLength(end.message) <= maxErrorMessageBytes);
        assert.equal(end.code, given.code);
        if (Buffer.byteLength(given.rawMessage) <= maxErrorMessageBytes) assert.equal(end.message, given.rawMessage);
      }),
      { numRuns: 200 },
    );
  });

  test("comes back with code, message, details and metadata", () => {
    const value = { payload: Uint8Array.of(1, 2) };
    const error = new ConnectError("no", Code.Aborted, { "x-why": "1" }, [{ desc: EchoRequestSchema, value }]);
    const end = endOfError(error);
    const back = errorOfEnd(end, new Headers({ "x-why": "1" }));
    assert.deepEqual([back.code, back.rawMessage, back.metadata.get("x-why")], [Code.Aborted, "no", "1"]);
    assert.deepEqual([...(back.findDetails(EchoRequestSchema)[0]?.payload ?? [])], [1, 2]);
    // Passed on by a node in between, it is the same.
    assert.deepEqual(endOfError(back).details, end.details);
  });

  test("leaves out a detail that is too large, and keeps the small ones before and after it", () => {
    const error = new ConnectError("no", Code.Aborted);
    const large = { type: "a.Large", value: new Uint8Array(21_000) };
    const [first, ...rest] = [1, 2, 3].map((value) => ({ type: "a.Small", value: Uint8Array.of(value) }));
    error.details = [first ?? large, large, ...rest];
    const values = endOfError(error).details.map(({ value }) => value[0]);
    assert.deepEqual(values, [1, 2, 3]);
  });

  test("cuts a long message between characters", () => {
    for (const character of ["a", "é", "€", "😀"]) {
      const { message } = endOfError(new ConnectError(character.repeat(9000), Code.Aborted));
      assert.ok(Buffer.byteLength(message) <= maxErrorMessageBytes);
      assert.match(message, new RegExp(`^(?:${character}){900,}…$`, "u"));
    }
  });

  test("of a code that is not known is `unknown`", () => {
    for (const status of [17, 99, 2 ** 32 - 1]) {
      assert.equal(errorOfEnd(create(EndSchema, { code: status }), new Headers()).code, Code.Unknown);
    }
    assert.equal(endOfError(Object.assign(new ConnectError("odd"), { code: 0 })).code, Code.Unknown);
  });

  test("shows callers what is meant for them, and tells of the rest", () => {
    const faults: unknown[] = [];
    const shown = (thrown: unknown): ConnectError => publicError(thrown, (fault) => faults.push(fault));
    const own = new ConnectError("mine", Code.NotFound);
    assert.equal(shown(own), own);
    assert.equal(shown(new DswarmError("message_too_large")).code, Code.ResourceExhausted);
    assert.equal(shown(new DOMException("stop", "AbortError")).code, Code.Canceled);
    assert.deepEqual(faults, []);
    for (const thrown of [new Error("secret"), "secret", undefined]) {
      const error = shown(thrown);
      assert.deepEqual([error.code, error.rawMessage], [Code.Internal, "internal error"]);
      assert.equal(faults.pop(), thrown);
    }
  });

  test("of this end's own faults is the table's, or what is asked for", () => {
    assert.equal(connectErrorOf(new DswarmError("link_closed")).code, Code.Unavailable);
    assert.equal(connectErrorOf(new ConnectError("x", Code.DataLoss)).code, Code.DataLoss);
    assert.equal(connectErrorOf(new Error("x")).code, Code.Internal);
    assert.equal(connectErrorOf(new Error("x"), Code.Unknown).code, Code.Unknown);
  });
});
