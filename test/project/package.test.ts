// The package as its users get it: packed, unpacked into a project of its own, and used from JavaScript and TypeScript.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";

const timeout = 120_000;
const program = `
import { createNode, NodeId } from "dswarm";
import { EchoService } from "./echo_pb.js";
const options = { discovery: false };
const server = await createNode(options);
server.serve(EchoService, { echo: (request) => ({ payload: request.payload }) });
const caller = await createNode(options);
const answer = await caller.client(EchoService, server.address).echo({ payload: new Uint8Array([1, 2, 3]) });
console.log(answer.payload.join(), NodeId.parse(server.id.toString()).equals(server.id));
await caller.close();
await server.close();
`;

describe("the packed package", { timeout }, () => {
  const project = mkdtempSync(join(tmpdir(), "dswarm-user-"));
  const installed = join(project, "node_modules", "dswarm");

  before(() => {
    execFileSync("npm", ["pack", "--silent", "--pack-destination", project], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const tarball = readdirSync(project).find((name) => name.endsWith(".tgz"));
    assert(tarball !== undefined);
    mkdirSync(installed, { recursive: true });
    execFileSync("tar", ["-xzf", join(project, tarball), "-C", installed, "--strip-components=1"]);
    // Its dependencies, without asking a registry for them again.
    symlinkSync(resolve("node_modules"), join(installed, "node_modules"));
    for (const name of ["@bufbuild", "@types", "@connectrpc", "undici-types"]) {
      symlinkSync(resolve("node_modules", name), join(project, "node_modules", name));
    }
    writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
    cpSync("dist/gen/dswarm/example/v1/echo_pb.js", join(project, "echo_pb.js"));
    cpSync("dist/gen/dswarm/example/v1/echo_pb.d.ts", join(project, "echo_pb.d.ts"));
  });

  test("runs in a plain JavaScript project", { timeout }, () => {
    writeFileSync(join(project, "main.js"), program);
    assert.equal(execFileSync(process.execPath, ["main.js"], { cwd: project, encoding: "utf8" }), "1,2,3 true\n");
  });

  test("type-checks in a strict TypeScript project", { timeout }, () => {
    writeFileSync(join(project, "main.ts"), program);
    const compilerOptions = {
      target: "es2024",
      // Connect's types are written for browsers too.
      lib: ["es2024", "esnext.disposable", "dom", "dom.iterable"],
      module: "nodenext",
      strict: true,
      noEmit: true,
      types: ["node"],
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["main.ts"] }));
    execFileSync(resolve("node_modules/.bin/tsc"), ["--project", project], { stdio: "inherit" });
  });

  test("has the command", { timeout }, () => {
    const output = execFileSync(process.execPath, [join(installed, "bin/dswarm.mjs"), "--version"], {
      encoding: "utf8",
    });
    assert.match(output, /^\d+\.\d+\.\d+\n$/);
  });

  after(() => rmSync(project, { recursive: true }));
});
