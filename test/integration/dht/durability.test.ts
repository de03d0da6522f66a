// What a store has acknowledged is there after its process was killed, and what the disk has changed is never answered.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { openDatabase } from "../../../src/dht/database.ts";
import { type DhtRecord, recordId } from "../../../src/dht/record.ts";
import { createMutable } from "../../../src/dht/record-codec.ts";
import { RecordStore } from "../../../src/dht/record-store.ts";
import { resolveStoreOptions } from "../../../src/dht/store-options.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { numberedRecord } from "./numbered-record.ts";

const program = fileURLToPath(new URL("store-process.ts", import.meta.url));

async function newDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "dswarm-durability-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const self = keyPairFromSeed(new Uint8Array(32).fill(9)).id;

test("what was acknowledged is there after kill -9, twice", { timeout: 60_000 }, async (t) => {
  const path = join(await newDirectory(t), "records");
  const acknowledged = new Set<number>();
  for (const enough of [300, 2000]) {
    const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    const closed = once(child, "close");
    let lines = 0;
    createInterface({ input: child.stdout }).on("line", (line) => {
      acknowledged.add(Number(line));
      if (++lines === enough) child.kill("SIGKILL");
    });
    const [, signal] = await closed;
    assert.equal(signal, "SIGKILL");
  }
  assert.ok(acknowledged.size >= 2000);
  const store = await RecordStore.open({
    self,
    database: await openDatabase(path),
    config: resolveStoreOptions(),
    clock: systemClock,
  });
  t.after(() => store.close());
  assert.ok(store.size >= acknowledged.size);
  for (const n of acknowledged) {
    const record = numberedRecord(n);
    assert.deepEqual((await store.get(record.key))[0]?.record, record, `record ${n}`);
  }
});

test("with any bytes of its files changed a store opens, and answers what was put or nothing", {
  timeout: 60_000,
}, async (t) => {
  const directory = await newDirectory(t);
  const clock = new VirtualClock(7);
  const config = resolveStoreOptions();
  const keys = keyPairFromSeed(new Uint8Array(32).fill(4));
  const original = join(directory, "original");
  const records = new Map<string, DhtRecord>();
  let store = await RecordStore.open({ self, database: await openDatabase(original), config, clock });
  for (let n = 0; n < 12; n++) {
    const value = clock.randomBytes(2000);
    const record = createMutable({ keys, salt: Uint8Array.of(n), sequence: 1n, value });
    records.set(recordId(record), record);
    await store.put(record, { ttlS: 3600, from: keys.id });
    await store.publish(record, 3600);
    // Reopening moves rows from the log to tables.
    if (n === 7) {
      await store.close();
      store = await RecordStore.open({ self, database: await openDatabase(original), config, clock });
    }
  }
  await store.close();
  let runs = 0;
  const damage = fc.record({ file: fc.nat(), at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
      const path = join(directory, `copy-${runs++}`);
      await cp(original, path, { recursive: true });
      const files = (await readdir(path)).filter((name) => /\.(ldb|log)$|^MANIFEST/.test(name)).sort();
      for (const { file, at, bits } of damages) {
        const name = join(path, files[file % files.length] ?? assert.fail());
        const bytes = await readFile(name);
        if (bytes.length === 0) continue;
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ bits;
        await writeFile(name, bytes);
      }
      const damaged = await RecordStore.open({ self, database: await openDatabase(path), config, clock });
      // Of what the database lists and does not find, nothing is left: it can be stored again.
      for (const id of Array.from(damaged.entries(), (entry) => entry.id)) {
        const held = await damaged.read(id);
        assert.deepEqual(held?.record, damaged.entry(id) === undefined ? undefined : records.get(id));
      }
      for (const id of damaged.publishedIds()) {
        const record = await damaged.publishedRecord(id);
        assert.deepEqual(record, damaged.publishedIds().includes(id) ? records.get(id) : undefined);
      }
      await damaged.close();
    }),
    { numRuns: 60 },
  );
});
