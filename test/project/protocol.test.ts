// docs/protocol.md names what holds its rules: cases of test vectors and of the conformance suite, and tests, all of which exist.
//
//     [v: file.json "case"; "another of the same file"; other.json "case"]   [c: group/name; group/other]
//     [t: test/path/file.test.ts "name of a test"; "another of the same file"]
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { allCases } from "../../conformance/cases.ts";
import { loadCases } from "../unit/vectors/load-cases.ts";

const text = readFileSync("docs/protocol.md", "utf8").replaceAll(/\s+/g, " ");

/** What stands in the brackets of a kind. */
function brackets(kind: "v" | "c" | "t"): string[] {
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

test("every test that docs/protocol.md names exists", () => {
  let named = 0;
  for (const inside of brackets("t")) {
    assert.match(inside, /^test\/[a-z/-]+\.test\.ts "[^"]+"(?:; (?:test\/[a-z/-]+\.test\.ts )?"[^"]+")*$/);
    let source = "";
    for (const [, path, name = ""] of inside.matchAll(/(?:(test\/\S+) )?"([^"]+)"/g)) {
      if (path !== undefined) source = readFileSync(path, "utf8");
      const isThere = ["test", "it"].some(
        (word) => source.includes(` ${word}("${name}"`) || source.includes(`\n${word}("${name}"`),
      );
      assert.ok(isThere, `no test "${name}"`);
      named += 1;
    }
  }
  assert.ok(named > 10, `only ${named} tests are named`);
});

test("docs/protocol.md names every conformance case, and no other", () => {
  const named = brackets("c").flatMap((inside) => inside.split("; "));
  const known = allCases.map(({ name }) => name);
  assert.equal(new Set(known).size, known.length, "two conformance cases have one name");
  assert.deepEqual([...new Set(named)].sort(), known.sort());
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
    rpcDefaults.maxAssemblingBytes,
    rpcDefaults.maxHeldBytes,
    rpcDefaults.maxTimeoutMs,
  ];
  for (const limit of limits) {
    const shown = limit.toLocaleString("en-US");
    assert.ok(text.includes(`| ${shown} `) || text.includes(` ${shown} B`) || text.includes(` ${shown} ms`), shown);
  }
});
