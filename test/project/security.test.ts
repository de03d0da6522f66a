// SECURITY.md names what shows each of its claims: each attack and each file must be there.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { attacks } from "../../attacks/attacks.ts";

const text = readFileSync(new URL("../../SECURITY.md", import.meta.url), "utf8");
/** The last cell of each row of a table. */
const shownBy = text
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| ---"))
  .map((line) => line.split("|").at(-2) ?? "")
  .filter((cell) => cell.trim() !== "shown by");
const named = shownBy.map((cell) =>
  [...cell.matchAll(/`([^`]+)`|\]\(([^)]+)\)/g)].map((match) => match[1] ?? match[2] ?? ""),
);

test("every threat names an attack, a test or a page that is there", () => {
  const names = new Set(attacks.map(({ name }) => name));
  assert.ok(named.length > 20);
  for (const [i, references] of named.entries()) {
    assert.ok(references.length > 0, `nothing shows: ${shownBy[i]}`);
    for (const reference of references) {
      const isThere = names.has(reference) || existsSync(new URL(`../../${reference}`, import.meta.url));
      assert.ok(isThere, `${reference} is neither an attack nor a file`);
    }
  }
});

test("every attack is named", () => {
  const all = new Set(named.flat());
  for (const { name } of attacks) assert.ok(all.has(name), `SECURITY.md does not name the attack ${name}`);
});
