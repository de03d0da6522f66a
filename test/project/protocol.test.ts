// docs/protocol.md names what holds its rules: cases of test vectors and of the conformance suite, all of which exist.
//
//     [v: file.json "case"; "another of the same file"; other.json "case"]   [c: group/name; group/other]
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { loadCases } from "../unit/vectors/load-cases.ts";

const text = readFileSync("docs/protocol.md", "utf8").replaceAll(/\s+/g, " ");
const conformancePath = "docs/conformance.md";

/** What stands in the brackets of a kind. */
function brackets(kind: "v" | "c"): string[] {
  return [...text.matchAll(new RegExp(`\\[${kind}: ([^\\]]*)\\]`, "g"))].map(([, inside = ""]) => inside);
}

test("every case of a test vector that docs/protocol.md names exists", () => {
  const namesOf = new Map<string, Set<string>>();
  let named = 0;
  for (const inside of brackets("v")) {
    // Whatever is not of the form would otherwise pass unseen.
    assert.match(inside, /^[a-z-]+\.json "[^"]+"(?:; (?:[a-z-]+\.json )?"[^"]+")*$/);
    let file = "";
    for (const [, given, name = ""] of inside.matchAll(/(?:([a-z-]+\.json) )?"([^"]+)"/g)) {
      file = given ?? file;
      const names = namesOf.get(file) ?? new Set(loadCases<object>(file).map((entry) => entry.name));
      namesOf.set(file, names);
      assert.ok(names.has(name), `${file} has no case "${name}"`);
      named += 1;
    }
  }
  assert.ok(named > 80, `only ${named} cases are named`);
  const files = ["announces", "box-streams", "distances", "frames", "handshakes", "ids", "records"];
  assert.deepEqual(
    [...namesOf.keys()].sort(),
    files.map((file) => `${file}.json`),
  );
});

test("every conformance case that docs/protocol.md names is in docs/conformance.md", () => {
  const named = brackets("c").flatMap((inside) => inside.split("; "));
  if (named.length === 0) return;
  assert.ok(existsSync(conformancePath), `${conformancePath} is missing`);
  const known = new Set(readFileSync(conformancePath, "utf8").match(/[a-z0-9-]+\/[a-z0-9-]+/g));
  for (const name of named) assert.ok(known.has(name), `${conformancePath} has no case ${name}`);
});

test("the fixed limits that docs/protocol.md states are those of the code", async () => {
  const { protocol, rpcDefaults } = await import("../../src/rpc/params.ts");
  const limits = [
    protocol.maxFrameBytes,
    protocol.maxPieceBytes,
    protocol.initialStreamCredit,
    protocol.initialConnectionCredit,
    protocol.maxMetadataBytes,
    rpcDefaults.maxMessageBytes,
    rpcDefaults.streamWindowBytes,
    rpcDefaults.maxUnconsumedBytes,
    rpcDefaults.maxQueuedBytes,
    rpcDefaults.maxTimeoutMs,
  ];
  for (const limit of limits) {
    const shown = limit.toLocaleString("en-US");
    assert.ok(text.includes(`| ${shown} `) || text.includes(` ${shown} B`) || text.includes(` ${shown} ms`), shown);
  }
});
