// The contacts of the last run: one bad entry costs that entry, and what cannot be read or is empty costs nothing else.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Contact } from "../../../src/dht/contact.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { readContacts, writeContacts } from "../../../src/node/contact-file.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";

async function newPath(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "dswarm-contacts-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return join(directory, "contacts.json");
}

function recorder() {
  const reports: LogFields[] = [];
  return { reports, logger: { ...silentLogger, warn: (fields: LogFields) => void reports.push(fields) } };
}

const contacts: readonly Contact[] = Array.from({ length: 3 }, (_, n) => ({
  id: generateKeyPair().id,
  addresses: [{ host: "127.0.0.1", port: 4000 + n }],
}));

test("an entry that is no contact is left out, and the others stay", async (t) => {
  const path = await newPath(t);
  await writeContacts(path, contacts);
  const list: unknown[] = JSON.parse(await readFile(path, "utf8"));
  list.splice(1, 0, { id: "junk", addresses: ["127.0.0.1:1"] }, 7, null, { id: 7 }, { id: contacts[0]?.id.toString() });
  await writeFile(path, JSON.stringify(list));
  const { logger, reports } = recorder();
  assert.deepEqual(readContacts(path, logger), contacts);
  assert.deepEqual(reports, []);
});

test("a file that cannot be read is reported, and read no further than it may be long", async (t) => {
  const path = await newPath(t);
  for (const text of ["", "[", "{}", `[${" ".repeat(5 * 1024 * 1024)}]`]) {
    await writeFile(path, text);
    const { logger, reports } = recorder();
    assert.deepEqual(readContacts(path, logger), []);
    assert.deepEqual(
      reports.map(({ event }) => event),
      ["contacts_unreadable"],
    );
  }
  await rm(path);
  await mkdir(path);
  const { logger, reports } = recorder();
  assert.deepEqual(readContacts(path, logger), []);
  assert.match(String(reports[0]?.["reason"]), /is not a file/);
});

test("a node that has met nobody does not forget whom it met before", async (t) => {
  const path = await newPath(t);
  await writeContacts(path, contacts);
  await writeContacts(path, []);
  assert.deepEqual(readContacts(path, silentLogger), contacts);
  assert.deepEqual(await readdir(join(path, "..")), ["contacts.json"]);
});
