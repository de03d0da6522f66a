// A short fuzzing run of every target: the whole corpus, findings of former runs among it, and some new inputs. The long run
// is `npm run fuzz`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readCorpus } from "../../fuzz/engine/corpus-file.ts";
import { fuzz } from "../../fuzz/engine/fuzz.ts";
import { targets } from "../../fuzz/targets.ts";
import { target as sample } from "./fuzz-sample.ts";

const newInputs = 500;
const seed = 1;

for (const target of targets) {
  test(`${target.description}: no input does harm`, async () => {
    const { inputs, findings } = await fuzz(target, { seed, corpus: readCorpus(target.name), maxInputs: newInputs });
    const [first] = findings;
    if (first !== undefined) {
      const text = Buffer.from(first.input).toString("base64");
      throw new Error(`${target.name}: seed ${seed}, input in base64: ${text}`, { cause: first.error });
    }
    assert(inputs > newInputs);
  });
}

test("the fuzzer finds a fault behind three comparisons, by coverage", async () => {
  const report = await fuzz(sample, { seed, corpus: [], maxInputs: 40_000, maxFindings: 1 });
  assert.equal(report.findings.length > 0, true, `nothing in ${report.inputs} inputs`);
});
