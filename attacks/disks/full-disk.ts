// Starts on a disk that has next to no room, and room that comes back afterwards.
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Attack } from "../attack.ts";
import { checkLeft, countAfterwards, fillAndCrash, startBadly } from "./records-on-disk.ts";

const diskBytes = 64 << 20;
const freeKiB = [16, 64, 256, 1024, 3072];

export const fullDisk: Attack = {
  name: "full-disk",
  does: "After 40 acknowledged records and `kill -9`, the node is started on a disk with 16 KiB to 3 MiB free.",
  promise: "It refuses to start or it runs; afterwards all 40 records are there.",
  spends: { megabytes: 1, connections: 0, seconds: 90 },
  nodes: [],
  hasWitnesses: false,
  testScale: 0,
  async run(attacker) {
    const disk = await mkdtemp(join(tmpdir(), "dswarm-attack-"));
    // Needs the right to mount.
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskBytes},mode=0700`, "tmpfs", disk]);
    attacker.atEnd(async () => {
      execFileSync("umount", [disk]);
      await rm(disk, { recursive: true });
    });
    const dataDir = join(disk, "node");
    const ballast = join(disk, "ballast");
    const keys = await fillAndCrash(dataDir);
    const left: number[] = [];
    for (const kib of freeKiB) {
      if (attacker.isOver) break;
      const { bavail, bsize } = await statfs(disk);
      await writeFile(ballast, new Uint8Array(Math.max(0, bavail * bsize - kib * 1024)));
      await startBadly(dataDir, {});
      await rm(ballast);
      left.push(await countAfterwards(dataDir, keys));
    }
    checkLeft(attacker, left);
  },
};
