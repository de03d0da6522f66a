// Databases: one process at a time has one open; a damaged one is set aside; what is no place for one says so.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Database, openDatabase } from "../../../src/dht/database.ts";
import { type LogFields, type Logger, silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const utf8 = { keyEncoding: "utf8", valueEncoding: "utf8" } as const;
const clock = new VirtualClock(1, 1_700_000_000_000);

async function newDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "dswarm-database-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

function recorder(): { logger: Logger; reports: LogFields[] } {
  const reports: LogFields[] = [];
  return { logger: { ...silentLogger, error: (fields) => void reports.push(fields) }, reports };
}

async function valueIn(database: Database): Promise<string | undefined> {
  return database.get<string, string>("key", utf8);
}

test("a database without a path is in memory, each its own", async () => {
  const [one, other] = [await openDatabase(undefined), await openDatabase(undefined)];
  await one.put<string, string>("key", "value", utf8);
  assert.equal(await valueIn(one), "value");
  assert.equal(await valueIn(other), undefined);
  await Promise.all([one.close(), other.close()]);
});

test("what was written is there when it is opened again", async (t) => {
  const path = join(await newDirectory(t), "records");
  let database = await openDatabase(path);
  await database.put<string, string>("key", "value", utf8);
  await database.close();
  database = await openDatabase(path);
  assert.equal(await valueIn(database), "value");
  await database.close();
});

test("a database that is open elsewhere is in use, and neither touched nor set aside", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "records");
  const database = await openDatabase(path);
  await assert.rejects(openDatabase(path), { code: "data_dir_in_use" });
  await database.put<string, string>("key", "value", utf8);
  await database.close();
  assert.deepEqual(await readdir(directory), ["records"]);
});

test("where a file is, no database can be", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "file");
  await writeFile(path, "text");
  await assert.rejects(openDatabase(join(path, "records")), { code: "data_dir_invalid" });
});

for (const pattern of [/^MANIFEST/, /^CURRENT$/]) {
  test(`a database with garbage in ${pattern.source} is set aside, whole, and reported`, async (t) => {
    const directory = await newDirectory(t);
    const path = join(directory, "records");
    await (await openDatabase(path)).close();
    const files = await readdir(path);
    for (const file of files.filter((name) => pattern.test(name))) {
      await writeFile(join(path, file), Buffer.alloc(3000, 0xa5));
    }
    const { logger, reports } = recorder();
    const database = await openDatabase(path, logger, clock);
    await database.put<string, string>("key", "value", utf8);
    await database.close();
    const damaged = `${path}.damaged-${clock.wallMs()}`;
    assert.deepEqual(
      reports.map(({ event, ...fields }) => [event, fields["path"], fields["damaged"]]),
      [["database_damaged", path, damaged]],
    );
    assert.deepEqual((await readdir(directory)).toSorted(), ["records", basename(damaged)]);
    const kept = await readdir(damaged);
    assert.ok(files.filter((name) => /^MANIFEST|^CURRENT$/.test(name)).every((name) => kept.includes(name)));
  });
}

test("a damaged database that cannot be set aside stays where it is", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "records");
  await (await openDatabase(path)).close();
  await writeFile(join(path, "CURRENT"), "garbage");
  // A directory that is not empty has the name.
  await mkdir(join(`${path}.damaged-${clock.wallMs()}`, "x"), { recursive: true });
  await assert.rejects(openDatabase(path, silentLogger, clock), { code: "data_dir_invalid" });
  assert.ok((await readdir(path)).includes("CURRENT"));
});
