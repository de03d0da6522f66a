// With little room on the disk, or few descriptors, a node runs or refuses to start and says why. It loses nothing.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createNode } from "../../../src/create-node.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { dswarmErrorOf, messageOf } from "../../../src/util/errors.ts";
import { numberedRecord } from "../dht/numbered-record.ts";
import { freeTcpPort, LogKeeper, send, startNode, until } from "./rig.ts";
import { SmallDisk } from "./small-disk.ts";

const keeper = fileURLToPath(new URL("keeper-process.ts", import.meta.url));
const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));
const cache = fileURLToPath(new URL("../../../node_modules/.cache/node-compile", import.meta.url));
const env = { ...process.env, NODE_COMPILE_CACHE: cache };
const records = 40;
const recordBytes = 8000;
let directory: string;
/** The data directory of a node that was killed after its records were acknowledged. */
let original: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "dswarm-limits-"));
  original = join(directory, "original");
  const child = spawn(process.execPath, [keeper, original, "0", `${records}`, `${recordBytes}`], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) if (line === "done") child.kill("SIGKILL");
});

after(async () => {
  await rm(directory, { recursive: true });
});

interface Start {
  readonly runs: boolean;
  readonly code: number | null;
  readonly stderr: string;
}

/** Starts `dswarm start` until it listens or ends; kills it then. */
async function startOn(t: TestContext, dataDir: string, limit = ""): Promise<Start> {
  const command = [process.execPath, main, "start", "--data-dir", dataDir, "--no-discovery", "--json"];
  const child = spawn("sh", ["-c", `${limit} exec "$@"`, "sh", ...command], { env, stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const closed = once(child, "close");
  const runs = await listens(child);
  child.kill("SIGKILL");
  const [code] = await closed;
  return { runs, code: code as number | null, stderr };
}

async function listens(child: ChildProcess): Promise<boolean> {
  assert.ok(child.stdout);
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('"event":"listening"')) return true;
  }
  return false;
}

async function assertAllThere(dataDir: string, what: string): Promise<void> {
  await using node = await createNode({ dataDir, discovery: false, api: false });
  for (let n = 0; n < records; n++) {
    const record = numberedRecord(n, recordBytes);
    assert.deepEqual((await node.dht.store.get(record.key))[0]?.record, record, `${what}: record ${n}`);
  }
  assert.deepEqual(
    (await readdir(dataDir)).filter((name) => /damaged|salvaged|new$|lock\./.test(name)),
    [],
    what,
  );
}

function failureIn(stderr: string): { code?: string; message?: string } {
  const line = stderr
    .trim()
    .split("\n")
    .findLast((each) => each.startsWith("{"));
  return line === undefined ? {} : JSON.parse(line);
}

test("with 16 KiB to 3 MB free a node runs, or says that the disk is full; all records are there afterwards", {
  timeout: 300_000,
}, async (t) => {
  const disk = SmallDisk.mount(t, 16 * 1024 * 1024);
  if (disk === undefined) return;
  const outcomes: string[] = [];
  for (const freeKib of [0, 4, 16, 32, 64, 128, 256, 512, 1024, 2048, 3072]) {
    const dataDir = join(disk.path, `data-${freeKib}`);
    await cp(original, dataDir, { recursive: true });
    disk.fillTo(freeKib * 1024);
    const { runs, code, stderr } = await startOn(t, dataDir);
    if (!runs) {
      assert.equal(code, 1, `${freeKib} KiB: ${stderr}`);
      const { code: error, message } = failureIn(stderr);
      assert.match(String(error), /^(storage_failed|data_dir_invalid)$/, `${freeKib} KiB: ${stderr}`);
      assert.match(String(message), /the disk is full: free some space/, `${freeKib} KiB: ${stderr}`);
    }
    outcomes.push(`${freeKib} KiB ${runs ? "runs" : failureIn(stderr).code}`);
    disk.empty();
    await assertAllThere(dataDir, `${freeKib} KiB free`);
    await rm(dataDir, { recursive: true });
  }
  t.diagnostic(outcomes.join(", "));
});

test("with 18 to 40 descriptors a node runs, or says that they are too few; all records are there afterwards", {
  timeout: 300_000,
  skip: process.platform === "win32" && "there is no such limit",
}, async (t) => {
  const outcomes: string[] = [];
  for (let limit = 18; limit <= 40; limit++) {
    const dataDir = join(directory, `data-${limit}`);
    await cp(original, dataDir, { recursive: true });
    const { runs, code, stderr } = await startOn(t, dataDir, `ulimit -n ${limit};`);
    if (!runs) {
      assert.notEqual(code, 0, `ulimit -n ${limit}`);
      const { code: error, message = "" } = failureIn(stderr);
      // With the fewest descriptors Node.js itself does not start, or cannot load the program.
      if (error !== undefined && error !== "internal")
        assert.match(message, /EMFILE|ulimit -n/, `ulimit -n ${limit}: ${stderr}`);
    }
    outcomes.push(`${limit} ${runs ? "runs" : (failureIn(stderr).code ?? `ends (${code})`)}`);
    await assertAllThere(dataDir, `ulimit -n ${limit}`);
    await rm(dataDir, { recursive: true });
  }
  t.diagnostic(outcomes.join(", "));
});

test("a disk that fills up while the node runs costs no acknowledged record: it reads on, and stores again when there is room", {
  timeout: 120_000,
}, async (t) => {
  const disk = SmallDisk.mount(t, 16 * 1024 * 1024);
  if (disk === undefined) return;
  const dataDir = join(disk.path, "data");
  const logger = new LogKeeper();
  const node = await startNode(t, { dataDir, discovery: false, api: false, logger });
  const acknowledged: number[] = [];
  const put = async (n: number): Promise<void> => {
    await node.dht.store.put(numberedRecord(n, 50_000), { ttlS: 86_400, from: undefined });
    acknowledged.push(n);
  };
  const assertReadable = async (store: DswarmNode["dht"]["store"]): Promise<void> => {
    for (const n of acknowledged) {
      const record = numberedRecord(n, 50_000);
      assert.deepEqual((await store.get(record.key))[0]?.record, record, `record ${n}`);
    }
  };
  let next = 0;
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 10; n++) await put(next++);
    disk.fillTo(300_000);
    let refusals = 0;
    for (let n = 0; n < 30; n++) {
      await put(next++).catch((error: unknown) => {
        refusals += 1;
        assert.equal(dswarmErrorOf(error)?.code, "storage_failed");
        assert.match(messageOf(error), /the disk is full: free some space/);
        // A peer may see it.
        assert.ok(!messageOf(error).includes(disk.path));
      });
    }
    assert.ok(refusals > 15, `${refusals} puts were refused`);
    await assertReadable(node.dht.store);
    disk.empty();
    await until("the store takes records again", async () => {
      await put(next++).catch(() => undefined);
      return acknowledged.at(-1) === next - 1;
    });
    await assertReadable(node.dht.store);
  }
  // As the files are now, the node is killed.
  const copy = join(directory, "copy");
  await cp(dataDir, copy, { recursive: true });
  await rm(join(copy, "lock"));
  const again = await startNode(t, { dataDir: copy, discovery: false, api: false });
  await assertReadable(again.dht.store);
  const events = logger.lines.map(({ fields }) => fields.event).filter((event) => event.startsWith("storage_"));
  assert.deepEqual(
    events.filter((event) => event !== "storage_still_failing"),
    ["storage_failed", "storage_recovered", "storage_failed", "storage_recovered"],
  );
});

test("all files of a node are its user's alone, whatever the umask is", async (t) => {
  const dataDir = join(directory, "open");
  const { runs, stderr } = await startOn(t, dataDir, "umask 0;");
  assert.ok(runs, stderr);
  const modes = await Promise.all(
    ["", ...(await readdir(dataDir, { recursive: true }))].map(async (name) => {
      const stats = await stat(join(dataDir, name));
      return `${name} ${(stats.mode & 0o777).toString(8)} ${stats.isDirectory() ? "700" : "600"}`;
    }),
  );
  assert.ok(modes.length > 8);
  for (const line of modes) {
    const [, mode, expected] = line.split(/ (?=\d+)/);
    assert.equal(mode, expected, line);
  }
});

test("a node whose output goes to a full disk runs on", async (t) => {
  const disk = SmallDisk.mount(t, 1024 * 1024);
  if (disk === undefined) return;
  disk.fillTo(0);
  const out = openSync(join(disk.path, "log"), "w");
  t.after(() => closeSync(out));
  const port = await freeTcpPort();
  const command = [main, "start", "--no-discovery", "--json", "--log-level", "debug", "--port", `${port}`];
  const child = spawn(process.execPath, command, { env, stdio: ["ignore", out, out] });
  t.after(() => child.kill("SIGKILL"));
  let answers = 0;
  await until("it answers again and again", async () => {
    answers += await send(port, "/api/status").then(
      ({ status }) => (status === 200 ? 1 : 0),
      () => 0,
    );
    return answers >= 5 || child.exitCode !== null;
  });
  assert.deepEqual([child.exitCode, answers], [null, 5]);
  // With room again, what it tells is there again.
  disk.empty();
  child.kill("SIGTERM");
  const [code] = await once(child, "close");
  assert.equal(code, 1);
  assert.match(await readFile(join(disk.path, "log"), "utf8"), /"event":"closing"/);
});

test("a command whose answer does not fit on the disk fails and says so", async (t) => {
  const disk = SmallDisk.mount(t, 1024 * 1024);
  if (disk === undefined) return;
  disk.fillTo(0);
  const out = openSync(join(disk.path, "answer"), "w");
  t.after(() => closeSync(out));
  const child = spawn(process.execPath, [main, "completion", "bash"], { env, stdio: ["ignore", out, "pipe"] });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  assert.equal(code, 1);
  assert.match(stderr, /output is lost: ENOSPC.*the disk is full: free some space/);
});
