// Whatever file of a database is damaged: the rows whose bytes are intact are found, or the database is refused and left as it is.
import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as fc from "fast-check";
import { type Database, openDatabase } from "../../../src/dht/database.ts";
import { dswarmErrorOf } from "../../../src/util/errors.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const encodings = { keyEncoding: "utf8", valueEncoding: "view" } as const;
const rowCount = 40;
/** Rows of the table; the others are in the log. */
const inTable = 25;
const clock = new VirtualClock(11, 1_700_000_000_000);
const rows = new Map<string, Uint8Array>();
let directory: string;
let copies = 0;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "dswarm-damaged-"));
  let database = await openDatabase(join(directory, "original"));
  for (let n = 0; n < rowCount; n++) {
    // Some blocks get smaller by compression, some do not; one row is of several fragments.
    const value = n % 3 === 0 ? Buffer.from(`row ${n} `.repeat(100)) : clock.randomBytes(n === 33 ? 40_000 : 900);
    rows.set(`r/${n}`, Uint8Array.from(value));
    await database.batch<string, Uint8Array>([{ type: "put", key: `r/${n}`, value }], {
      ...encodings,
      sync: true,
    } as object);
    if (n !== inTable - 1) continue;
    // Reopening moves rows from the log to a table.
    await database.close();
    database = await openDatabase(join(directory, "original"));
  }
  await database.close();
});

after(async () => {
  await rm(directory, { recursive: true });
});

async function heldBy(database: Database): Promise<string[]> {
  const found: string[] = [];
  for await (const [key, value] of database.iterator<string, Uint8Array>(encodings)) {
    const row = rows.get(key);
    if (row !== undefined && Buffer.compare(row, value) === 0) found.push(key);
  }
  await database.close();
  return found;
}

type Damage = (path: string, bytes: Buffer) => Promise<void>;

/** Opens a copy in which a file is damaged. Returns the rows that it has, or undefined where it is refused. */
async function afterDamage(
  name: string,
  damage: Damage,
): Promise<{ found: string[] | undefined; reports: LogFields[] }> {
  const path = join(directory, `copy-${copies++}`);
  await cp(join(directory, "original"), path, { recursive: true });
  const file = join(path, name);
  await damage(file, await readFile(file));
  const reports: LogFields[] = [];
  const note = (fields: LogFields): void => void reports.push(fields);
  try {
    const database = await openDatabase(path, { logger: { ...silentLogger, warn: note, error: note }, clock });
    return { found: await heldBy(database), reports };
  } catch (error) {
    assert.equal(dswarmErrorOf(error)?.code, "database_damaged");
    return { found: undefined, reports };
  }
}

async function fileNames(pattern: RegExp): Promise<string[]> {
  const names = await readdir(join(directory, "original"));
  return names.filter((name) => pattern.test(name));
}

test("with any byte of any file changed, at most the row with that byte is lost, and it is reported", {
  timeout: 120_000,
}, async () => {
  const names = await fileNames(/./);
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, at, bits) => {
      const name = names[which % names.length] ?? assert.fail();
      const { found, reports } = await afterDamage(name, async (path, bytes) => {
        if (bytes.length === 0) return;
        const place = at % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ bits;
        await writeFile(path, bytes);
      });
      // A key that is compressed to what it shares with the one before may take that one's neighbours with it.
      const least = name.endsWith(".ldb") ? rowCount - 16 : rowCount - 1;
      assert.ok(found !== undefined && found.length >= least, `${name}: ${found?.length} of ${rowCount}`);
      if (found.length < rowCount) assert.ok(reports.length > 0, `${name}: nothing is reported`);
    }),
    { numRuns: 150 },
  );
});

test("with an index, footer, filter, CURRENT or manifest damaged nothing is lost", { timeout: 60_000 }, async () => {
  const [table = assert.fail()] = await fileNames(/\.ldb$/);
  const size = (await readFile(join(directory, "original", table))).length;
  const cases: [string, number][] = [];
  for (let at = 1; at < 200; at += 13) cases.push([table, size - at]);
  for (const name of await fileNames(/^CURRENT$|^MANIFEST/)) for (let at = 0; at < 60; at += 11) cases.push([name, at]);
  for (const [name, at] of cases) {
    const { found, reports } = await afterDamage(name, async (path, bytes) => {
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 0xff;
      await writeFile(path, bytes);
    });
    assert.equal(found?.length, rowCount, `${name} at ${at}`);
    // The footer's padding may hold anything.
    if (reports.length === 0) assert.ok(name === table && size > at && at > size - 48, `${name} at ${at}`);
  }
});

test("with any file missing the rows of the others are there, and that is reported", async () => {
  for (const name of await fileNames(/./)) {
    const { found, reports } = await afterDamage(name, (path) => rm(path));
    let expected = rowCount;
    if (name.endsWith(".ldb")) expected = rowCount - inTable;
    if (name.endsWith(".log")) expected = inTable;
    assert.equal(found?.length, expected, name);
    const isVital = /ldb$|log$|^CURRENT|^MANIFEST/.test(name);
    assert.deepEqual(
      reports.map(({ event }) => event),
      isVital ? ["database_damaged"] : [],
      name,
    );
  }
});

test("with any file cut off the rows before the cut are there, and a manifest that is too short deletes nothing", {
  timeout: 120_000,
}, async () => {
  for (const name of await fileNames(/ldb$|log$|^CURRENT|^MANIFEST/)) {
    for (let share = 0; share < 8; share++) {
      let length = 0;
      const { found, reports } = await afterDamage(name, async (path, bytes) => {
        length = Math.floor((bytes.length * share) / 8);
        await truncate(path, length);
      });
      if (/^CURRENT|^MANIFEST/.test(name)) assert.equal(found?.length, rowCount, `${name} of ${length} bytes`);
      const others = name.endsWith(".ldb") ? rowCount - inTable : inTable;
      assert.ok(found !== undefined && found.length >= others, `${name} of ${length} bytes`);
      // A log that ends with a whole write, or with none, is what a crash leaves.
      if (!(name.endsWith(".log") && length === 0)) assert.equal(reports.length, 1, `${name} of ${length} bytes`);
    }
  }
});

test("a database of which nothing can be read is refused and stays as it is, until the owner says otherwise", async () => {
  const path = join(directory, `copy-${copies++}`);
  await cp(join(directory, "original"), path, { recursive: true });
  for (const name of await readdir(path)) {
    if (/ldb$|log$/.test(name)) await writeFile(join(path, name), Buffer.alloc(3000, 0xa5));
  }
  const original = await contentsOf(path);
  await assert.rejects(openDatabase(path, { clock }), {
    code: "database_damaged",
    message: /--replace-damaged/,
  });
  assert.deepEqual(await contentsOf(path), original);
  const reports: LogFields[] = [];
  const logger = { ...silentLogger, error: (fields: LogFields) => void reports.push(fields) };
  assert.deepEqual(await heldBy(await openDatabase(path, { clock, logger, replaceDamaged: true })), []);
  assert.equal(reports[0]?.event, "database_damaged");
  assert.deepEqual(await contentsOf(String(reports[0]?.["damaged"])), original);
});

/** What is in the files of a directory, but LevelDB's lock and notes. */
async function contentsOf(path: string): Promise<Map<string, string>> {
  const names = (await readdir(path)).filter((name) => !/^LO(CK|G)/.test(name)).toSorted();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(path, name), "hex")] as const)),
  );
}
