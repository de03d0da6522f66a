// docs/errors.md lists every error of dswarm's own exactly as src/util/errors.ts has it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { httpStatusOf } from "../../src/api/fault.ts";
import { errorTable } from "../../src/util/errors.ts";

test("docs/errors.md has the rows of the table in src/util/errors.ts", () => {
  const rows = Object.entries(errorTable).map(([code, { message, connect, retryable }]) => {
    const status = httpStatusOf(connect);
    return `| \`${code}\` | \`${codeToString(connect)}\` | ${status} | ${retryable ? "yes" : "no"} | ${message} |`;
  });
  const documented = readFileSync("docs/errors.md", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    // The formatter pads cells.
    .map((line) => line.replaceAll(/ +\|/g, " |"));
  const same = rows.join("\n") === documented.join("\n");
  assert(
    same,
    `docs/errors.md is not up to date. Its table must have these rows (then run: npm run format):\n\n${rows.join("\n")}\n`,
  );
});
