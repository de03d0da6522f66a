// File systems of a fixed size, for tests of what happens when they are full.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

const filler = "filler";

/** A file system of a fixed size that is mounted for a test. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Mounts one. Undefined where this process may not; then the test is marked as skipped.
   * @param bytes its size
   */
  static mount(t: TestContext, bytes: number): SmallDisk | undefined {
    const path = mkdtempSync(join(tmpdir(), "dswarm-disk-"));
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "dswarm-test", path]);
    if (status !== 0) {
      rmSync(path, { recursive: true });
      t.skip(`a file system cannot be mounted: ${String(stderr).trim() || "no mount command"}`);
      return undefined;
    }
    t.after(() => {
      // Its processes have ended; what still holds it keeps it until then.
      spawnSync("umount", ["--lazy", path]);
      rmSync(path, { recursive: true, force: true });
    });
    return new SmallDisk(path);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Leaves so many bytes free. */
  fillTo(freeBytes: number): void {
    this.empty();
    const bytes = this.freeBytes - freeBytes;
    if (bytes > 0) writeFileSync(join(this.path, filler), new Uint8Array(bytes).fill(0xa5));
  }

  /** Frees what filled it. */
  empty(): void {
    rmSync(join(this.path, filler), { force: true });
  }
}
