// Starts with so few file descriptors that some files cannot be opened.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Attack } from "../attack.ts";
import { checkLeft, countAfterwards, fillAndCrash, startBadly } from "./records-on-disk.ts";

const descriptors = [22, 24, 26, 28, 30, 33, 36, 40];

export const fewDescriptors: Attack = {
  name: "few-descriptors",
  does: "After 40 acknowledged records and `kill -9`, the node is started with `ulimit -n` from 22 to 40.",
  promise: "It refuses to start or it runs; afterwards all 40 records are there.",
  spends: { megabytes: 1, connections: 0, seconds: 90 },
  nodes: [],
  hasWitnesses: false,
  testScale: 0,
  async run(attacker) {
    const dataDir = await mkdtemp(join(tmpdir(), "dswarm-attack-"));
    attacker.atEnd(() => rm(dataDir, { recursive: true }));
    const keys = await fillAndCrash(dataDir);
    const left: number[] = [];
    for (const count of descriptors) {
      if (attacker.isOver) break;
      await startBadly(dataDir, { descriptors: count });
      left.push(await countAfterwards(dataDir, keys));
    }
    checkLeft(attacker, left);
  },
};
