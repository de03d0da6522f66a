// Databases: one process at a time has one open; a damaged one is set aside; what is no place for one says so.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
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
  test(`a database with garbage in ${pattern.source} is salvaged, kept as it was, and reported`, async (t) => {
    const directory = await newDirectory(t);
    const path = join(directory, "records");
    const first = await openDatabase(path);
    await first.put<string, string>("key", "value", utf8);
    await first.close();
    const files = await readdir(path);
    for (const file of files.filter((name) => pattern.test(name))) {
      await writeFile(join(path, file), Buffer.alloc(3000, 0xa5));
    }
    const { logger, reports } = recorder();
    const database = await openDatabase(path, { logger, clock });
    assert.equal(await valueIn(database), "value");
    await database.close();
    const damaged = `${path}.damaged-${clock.wallMs()}`;
    assert.deepEqual(
      reports.map(({ event, ...fields }) => [event, fields["path"], fields["damaged"], fields["rows"]]),
      [["database_damaged", path, damaged, 1]],
    );
    assert.deepEqual((await readdir(directory)).toSorted(), ["records", basename(damaged)]);
    const kept = await readdir(damaged);
    assert.ok(files.filter((name) => /^MANIFEST|^CURRENT$|log$/.test(name)).every((name) => kept.includes(name)));
  });
}

test("a damaged database that cannot be set aside stays where it is", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "records");
  const first = await openDatabase(path);
  await first.put<string, string>("key", "value", utf8);
  await first.close();
  await writeFile(join(path, "CURRENT"), "garbage");
  await mkdir(join(`${path}.damaged-${clock.wallMs()}`, "x"), { recursive: true });
  await assert.rejects(openDatabase(path, { clock }), { code: "data_dir_invalid", message: /move it away/ });
  assert.equal(await readFile(join(path, "CURRENT"), "utf8"), "garbage");
  assert.equal((await readdir(directory)).length, 2);
});

test("of damaged databases the newest three are kept", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "records");
  for (let n = 0; n < 5; n++) {
    const database = await openDatabase(path, { clock: { wallMs: () => 99 + n } });
    await database.put<string, string>("key", `${n}`, utf8);
    await database.close();
    await writeFile(join(path, "CURRENT"), "garbage");
  }
  const names = (await readdir(directory)).toSorted();
  assert.deepEqual(names, ["records", "records.damaged-101", "records.damaged-102", "records.damaged-103"]);
});

test("a database whose replacing was cut short is in its place after the next start", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "records");
  const first = await openDatabase(path);
  await first.put<string, string>("key", "value", utf8);
  await first.close();
  // The damaged one was moved, and the salvaged one not yet.
  await rename(path, `${path}.salvaged`);
  let database = await openDatabase(path);
  assert.equal(await valueIn(database), "value");
  await database.close();
  // It was being written.
  await mkdir(`${path}.salvaged`);
  database = await openDatabase(path);
  assert.equal(await valueIn(database), "value");
  await database.close();
  assert.deepEqual(await readdir(directory), ["records"]);
});

test("a database's directory is of mode 0700, whatever the umask is and whoever made it", async (t) => {
  const directory = await newDirectory(t);
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  for (const path of [join(directory, "new"), join(directory, "old")]) {
    if (path.endsWith("old")) await mkdir(path, { mode: 0o777 });
    await (await openDatabase(path)).close();
    assert.equal((await stat(path)).mode & 0o777, 0o700);
  }
});

test("with a file that cannot be read a database is not opened, and nothing is changed", async (t) => {
  const directory = await newDirectory(t);
  const path = join(directory, "records");
  await (await openDatabase(path)).close();
  const name = (await readdir(path)).find((each) => each.endsWith(".log")) ?? assert.fail();
  await rename(join(path, name), join(path, "elsewhere"));
  await mkdir(join(path, name));
  await assert.rejects(openDatabase(path), { code: "data_dir_invalid" });
  await rm(join(path, name), { recursive: true });
  await rename(join(path, "elsewhere"), join(path, name));
  await (await openDatabase(path)).close();
});
