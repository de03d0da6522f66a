// The commands of README, as a reader copies them: each runs, and prints lines of the form that README shows.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readmeBlocks, readmeTableCommands } from "../../project/readme-files.ts";
import { CliRig } from "./cli-rig.ts";

const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const inCheckout = "npm run -s dswarm -- ";
const hasTools = spawnSync("bash", ["-c", "command -v curl && command -v jq"]).status === 0;

interface Shown {
  readonly command: string;
  readonly output: readonly string[];
}

/** The commands that README shows with what they print. Those that set up the swarm are left out. */
function shownCommands(): Shown[] {
  const texts = readmeBlocks().flatMap((block) => block.split(/^\$ /m).slice(1));
  return texts
    .map((text): Shown => {
      const [command = "", ...output] = text.trimEnd().split("\n");
      return { command, output };
    })
    .filter(({ command }) => !/^(?:git|npm start)\b/.test(command));
}

/** What stays of a line from run to run: no ids, figures or widths of columns. Keys of records are those of their values. */
function formOf(line: string): string {
  return line
    .replaceAll(/@[A-Za-z0-9+/]{43}=/g, "@ID")
    .replaceAll(/"cursor":"[^"]*"/g, '"cursor":"C"')
    .replaceAll(/digest \w+/g, "digest D")
    .replaceAll(/(?<![&\w+/=])\d+(?:\.\d+)?/g, "N")
    .replaceAll(/ +/g, " ")
    .trim();
}

/** Runs a command line of README in a directory until it ends, or has printed so many lines. Returns what it printed. */
async function linesOf(command: string, directory: string, count: number): Promise<string[]> {
  const script = `dswarm() { '${process.execPath}' '${main}' "$@"; }; ${command.replaceAll(inCheckout, "dswarm ")}`;
  const shell = spawn("bash", ["-c", script], {
    cwd: directory,
    env: { ...process.env, XDG_RUNTIME_DIR: directory, FORCE_COLOR: undefined, COLUMNS: undefined },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let errors = "";
  shell.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  let printed = "";
  let isCut = false;
  for await (const text of shell.stdout.setEncoding("utf8")) {
    printed += String(text);
    if (!command.includes("/api/events") || printed.split("\n").length <= count) continue;
    isCut = true;
    process.kill(-Number(shell.pid), "SIGKILL");
    break;
  }
  if (shell.exitCode === null && shell.signalCode === null) await once(shell, "exit");
  assert(isCut || shell.exitCode === 0, `${command}: ${shell.exitCode}: ${printed}${errors}`);
  return printed.trimEnd().split("\n");
}

test("each command of README runs and prints what README shows", { skip: !hasTools, timeout: 300_000 }, async (t) => {
  const rig = new CliRig(t);
  const swarm = rig.run(["swarm", "--json", `--udp-port=${rig.udpPort}`]);
  await swarm.event("complete");
  copyFileSync("LICENSE", join(rig.directory, "LICENSE"));
  const shown = shownCommands();
  assert(shown.length > 12);
  for (const { command, output } of shown) {
    const expected = output.map(formOf).filter((line) => line !== "");
    const printed = await linesOf(command, rig.directory, output.length);
    const lines = printed.map(formOf).filter((line) => line !== "");
    // README says that CSV follows.
    assert.deepEqual(command.includes(" sim ") ? lines.slice(0, expected.length) : lines, expected, command);
  }
  assert.equal(readFileSync(join(rig.directory, "copy"), "utf8"), readFileSync("LICENSE", "utf8"));
});

test("each command of README's table of commands succeeds", { skip: !hasTools, timeout: 300_000 }, async (t) => {
  const rig = new CliRig(t);
  const swarm = rig.run(["swarm", "--json", "--nodes=5", `--udp-port=${rig.udpPort}`]);
  await swarm.event("complete");
  const listed = readmeTableCommands();
  assert(listed.length > 5);
  // It runs until Ctrl-C.
  for (const command of listed.filter((each) => each !== `${inCheckout}start`)) {
    await linesOf(command, rig.directory, Number.POSITIVE_INFINITY);
  }
});
