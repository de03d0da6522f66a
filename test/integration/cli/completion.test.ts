// Completion by real shells, which ask the real program: bash, zsh and fish, as far as they are there.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { CliRig, until } from "./cli-rig.ts";

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

/** Why a test cannot run here: which program is missing. False where none is. */
function without(...programs: readonly string[]): string | false {
  const missing = programs.filter((program) => spawnSync(program, ["--version"]).error !== undefined);
  return missing.length > 0 && `there is no ${missing.join(" and no ")} here`;
}

function rigEnvironment(rig: CliRig, path: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    XDG_RUNTIME_DIR: rig.directory,
    HOME: rig.directory,
    PATH: path,
    TERM: "xterm",
    COLUMNS: "120",
  };
}

/** A shell at a terminal, which script(1) makes, so that a key press is one. */
class Shell {
  readonly #child: ChildProcess;
  #output = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
  }

  /** Starts it and waits until what is to be run first has been. */
  static async start(t: TestContext, command: string, first: string): Promise<Shell> {
    const { rig, path } = rigWithCommand(t);
    const child = spawn("script", ["-qec", command, "/dev/null"], { env: rigEnvironment(rig, path) });
    t.after(() => child.kill());
    const shell = new Shell(child);
    await shell.type(`stty cols 120; PS1=; ${first}; echo rea''dy\n`, /^ready\r?$/m);
    return shell;
  }

  /** Types, and waits for what is to be seen then. */
  async type(keys: string, expected: RegExp): Promise<void> {
    this.#output = "";
    this.#child.stdin?.write(keys);
    await until(
      () => expected.test(stripVTControlCharacters(this.#output)),
      `${expected} in ${JSON.stringify(this.#output)}`,
    );
  }
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

  test("Tab completes in a bash at a terminal", { skip: without("bash", "script") }, async (t) => {
    const shell = await Shell.start(t, "bash --noprofile --norc -i", "source <(dswarm completion bash)");
    await shell.type("dswarm sw\t", /dswarm swarm $/);
    await shell.type("--pro\t", /--processes $/);
    await shell.type("\u0015dswarm start --log-level w\t", /dswarm start --log-level warn $/);
  });

  test("Tab lists and completes in a zsh at a terminal, from a file in fpath", {
    skip: without("zsh", "script"),
  }, async (t) => {
    const functions = `mkdir "$HOME/zfunc"; dswarm completion zsh > "$HOME/zfunc/_dswarm"; fpath=("$HOME/zfunc" $fpath)`;
    const shell = await Shell.start(t, "zsh -f -i", `${functions}; autoload -Uz compinit; compinit -u -D`);
    await shell.type("dswarm s\t", /\bswarm +-- Run many nodes until Ctrl-C\./);
    await shell.type("w\t", /warm/);
    await shell.type("--pro\t", /--processes/);
  });

  test("fish completes from a file of its configuration", { skip: without("fish") }, async (t) => {
    const { rig, path } = rigWithCommand(t);
    await rig.startNode("--no-discovery");
    const env = { ...rigEnvironment(rig, path), XDG_CONFIG_HOME: rig.directory };
    const fish = (script: string): string => execFileSync("fish", ["-c", script], { encoding: "utf8", env });
    fish(
      "mkdir -p $XDG_CONFIG_HOME/fish/completions; dswarm completion fish > $XDG_CONFIG_HOME/fish/completions/dswarm.fish",
    );
    const offered = (line: string): string[] => fish(`complete -C '${line}'`).trimEnd().split("\n");
    assert.deepEqual(offered("dswarm sw"), ["swarm\tRun many nodes until Ctrl-C."]);
    assert.deepEqual(offered("dswarm start --log-level w"), ["warn"]);
    assert.deepEqual(offered("dswarm completion "), ["bash", "fish", "zsh"]);
    assert.match(offered("dswarm peers --node ").join(), /^1\t@\S+ on port \d+$/);
    mkdirSync(join(rig.directory, "some-directory"));
    assert.deepEqual(offered(`dswarm start --data-dir ${rig.directory}/some`), [`${rig.directory}/some-directory/`]);
  });

  test("zsh and fish are told what each word is for", async (t) => {
    const rig = new CliRig(t);
    const zsh = await rig.result(["complete", "--style", "zsh", "--", "sw"]);
    assert.equal(zsh.stdout, "swarm:Run many nodes until Ctrl-C.\n");
    const levels = await rig.result(["complete", "--style", "zsh", "--", "start", "--log-level", "w"]);
    assert.equal(levels.stdout, "warn\n");
    const fish = await rig.result(["complete", "--style", "fish", "--", "sw"]);
    assert.equal(fish.stdout, "swarm\tRun many nodes until Ctrl-C.\n");
    assert.ok((await rig.result(["completion", "fish"])).stdout.includes("\ncomplete -c dswarm -l data-dir -rF\n"));
    assert.equal((await rig.result(["completion", "tcsh"])).code, 2);
  });
});
