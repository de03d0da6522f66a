// Completion, as bash does it: the script is read by a real bash, which asks the real program.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { CliRig } from "./cli-rig.ts";

/** A rig, and a directory for PATH in which `dswarm` is this program. */
function rigWithCommand(t: TestContext): { readonly rig: CliRig; readonly path: string } {
  const rig = new CliRig(t);
  const bin = join(rig.directory, "bin");
  mkdirSync(bin);
  const program = join(bin, "dswarm");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${resolve("bin/dswarm.mjs")}" "$@"\n`);
  chmodSync(program, 0o755);
  return { rig, path: `${bin}:${process.env["PATH"] ?? ""}` };
}

/** What bash offers for the last word of a command line. */
async function completed(t: TestContext, line: readonly string[], nodes = 0): Promise<string[]> {
  const { rig, path } = rigWithCommand(t);
  for (let i = 0; i < nodes; i++) await rig.startNode("--no-discovery");
  const script = `source <(dswarm completion bash)
    COMP_WORDS=(dswarm "$@"); COMP_CWORD=$#
    _dswarm && printf '%s\\n' "\${COMPREPLY[@]}"`;
  const environment = { ...process.env, XDG_RUNTIME_DIR: rig.directory, PATH: path };
  const output = execFileSync("bash", ["-c", script, "bash", ...line], {
    encoding: "utf8",
    env: environment,
    cwd: rig.directory,
  });
  return output.split("\n").filter((word) => word !== "");
}

suite("completion", { concurrency: 2 }, () => {
  test("commands, flags and values of flags are completed in bash", async (t) => {
    assert.deepEqual(await completed(t, ["sw"]), ["swarm"]);
    assert.ok((await completed(t, [""])).includes("peers"));
    assert.deepEqual(await completed(t, ["start", "--log"]), ["--log-level"]);
    assert.deepEqual(await completed(t, ["start", "--log-level", "w"]), ["warn"]);
    assert.deepEqual(await completed(t, ["start", "--log-level", "=", "d"]), ["debug"]);
    assert.deepEqual(await completed(t, ["completion", ""]), ["bash", "zsh", "fish"]);
    assert.deepEqual(await completed(t, ["nonsense", ""]), []);
    assert.ok(!(await completed(t, ["start", "--"])).includes("--place"));
  });

  test("running nodes are completed by their numbers", async (t) => {
    assert.deepEqual(await completed(t, ["peers", "--node", ""], 2), ["1", "2"]);
    assert.deepEqual(await completed(t, ["ping", "--count", "3", ""], 1), ["1"]);
  });

  test("what stands in the command line is not run", async (t) => {
    const { rig, path } = rigWithCommand(t);
    const mark = join(rig.directory, "mark");
    const script = `source <(dswarm completion bash); COMP_WORDS=(dswarm put '$(touch ${mark})' ''); COMP_CWORD=3; _dswarm; test ! -e ${mark}`;
    assert.equal(spawnSync("bash", ["-c", script], { env: { ...process.env, PATH: path } }).status, 0);
  });

  for (const shell of ["zsh", "fish"]) {
    test(`${shell} takes its script`, { skip: spawnSync(shell, ["--version"]).error !== undefined }, async (t) => {
      const rig = new CliRig(t);
      const script = join(rig.directory, "script");
      writeFileSync(script, (await rig.result(["completion", shell])).stdout);
      const { status, stderr } = spawnSync(shell, ["-n", script], { encoding: "utf8" });
      assert.deepEqual([status, stderr], [0, ""]);
    });
  }

  test("zsh and fish are told what each word is for", async (t) => {
    const rig = new CliRig(t);
    const zsh = await rig.result(["complete", "--style", "zsh", "--", "sw"]);
    assert.equal(zsh.stdout, "swarm:Run many nodes until Ctrl-C.\n");
    const fish = await rig.result(["complete", "--style", "fish", "--", "sw"]);
    assert.equal(fish.stdout, "swarm\tRun many nodes until Ctrl-C.\n");
    assert.ok((await rig.result(["completion", "fish"])).stdout.includes("\ncomplete -c dswarm -l data-dir -rF\n"));
    assert.equal((await rig.result(["completion", "tcsh"])).code, 2);
  });
});
