import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonLines } from "../../../src/dashboard/json-lines.ts";
import { Tail } from "../../../src/dashboard/tail.ts";

const bytes = new TextEncoder().encode('{"result":"grüße"}\n{"result":{"a":[1]}}\n');

/** All lines of an answer that comes in these chunks. */
async function linesOf(chunks: readonly Uint8Array[], maxLength = 1000): Promise<unknown[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const lines: unknown[] = [];
  for await (const line of jsonLines(body, maxLength)) lines.push(line);
  return lines;
}

test("lines are read wherever they are cut into chunks", async () => {
  for (let at = 0; at <= bytes.length; at++) {
    const lines = await linesOf([bytes.subarray(0, at), bytes.subarray(at)]);
    assert.deepEqual(lines, [{ result: "grüße" }, { result: { a: [1] } }]);
  }
  assert.deepEqual(await linesOf([]), []);
});

test("a last line that is cut off, or too long, is an error", async () => {
  await assert.rejects(linesOf([bytes.subarray(0, -1)]), /cut off/);
  await assert.rejects(linesOf([bytes.subarray(0, 10)], 9), /longer than 9/);
  await assert.rejects(linesOf([new TextEncoder().encode("nonsense\n")]), SyntaxError);
});

test("leaving the lines early cancels the answer", async () => {
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes),
    cancel: () => {
      isCancelled = true;
    },
  });
  for await (const line of jsonLines(body, 1000)) {
    assert.deepEqual(line, { result: "grüße" });
    break;
  }
  assert.ok(isCancelled);
});

test("a tail counts all and keeps the last", () => {
  const tail = new Tail<string>(2);
  assert.deepEqual(tail.newest(), []);
  for (const item of ["a", "b", "c"]) tail.push(item);
  assert.equal(tail.count, 3);
  assert.deepEqual(tail.newest(), [
    { number: 3, item: "c" },
    { number: 2, item: "b" },
  ]);
});
