// `sim`: a run that fails tells how to see the same again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { addSim } from "../../../src/cli/commands/sim.ts";
import { type SimFlags, sim, simCommand } from "../../../src/cli/sim.ts";
import { recordedTerminal } from "./recorded-terminal.ts";

const context = { stdout: recordedTerminal(), stderr: recordedTerminal(), programName: "dswarm" };

/** The flags that a command line comes to, defaults filled in. */
function flagsOf(words: readonly string[]): SimFlags {
  const program = new Command("dswarm");
  addSim(program, context);
  const [command] = program.commands;
  assert.ok(command !== undefined);
  command.parseOptions([...words]);
  return command.opts();
}

test("the command that is told for a run comes to the same flags, those of its output left out", () => {
  const flags = flagsOf(
    "--nodes 40 --seed 9 --form ideal --put-during --churn 2 -k 8 --lie flood --csv out.csv --json".split(" "),
  );
  const { csv, json, ...others } = flags;
  assert.deepEqual([csv, json], ["out.csv", true]);
  const [name, verb, ...words] = simCommand(flags, "dswarm").split(" ");
  assert.deepEqual([name, verb], ["dswarm", "sim"]);
  assert.deepEqual(flagsOf(words), others);
});

test("a run that fails tells its seed and the command that does the same again", async () => {
  // A phase has 30 days at most.
  const flags = flagsOf("--nodes 2 --seed 9 --churn 721 --session 100000 --lookups 1".split(" "));
  await assert.rejects(sim(flags, context), (error: Error) => {
    assert.match(error.message, /^seed 9, at \d+(\.\d+)? ms: .*; to see it again: dswarm sim --nodes 2 --seed 9 /);
    return true;
  });
});
