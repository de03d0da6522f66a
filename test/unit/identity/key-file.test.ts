// Key files: made once whoever is first, private, and never half written.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadOrCreateKeyFile } from "../../../src/identity/keys.ts";
import type { KeyFileAnswer, KeyFileRequest } from "./key-file-process.ts";

const processPath = new URL("./key-file-process.ts", import.meta.url);
const nobody = 65_534;
const goodText = `${"ab".repeat(32)}\n`;
let directory: string;
let files = 0;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "dswarm-key-file-"));
});

after(async () => {
  await rm(directory, { recursive: true });
});

function newPath(): string {
  return join(directory, `key-${files++}`);
}

async function fileWith(text: string | Uint8Array, mode = 0o600): Promise<string> {
  const path = newPath();
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

async function startProcess(): Promise<ChildProcess> {
  const child = fork(processPath);
  await once(child, "message");
  return child;
}

async function stopProcess(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.disconnect();
  await exited;
}

async function ask(child: ChildProcess, request: KeyFileRequest): Promise<KeyFileAnswer> {
  const answered = once(child, "message");
  child.send(request);
  return (await answered)[0] as KeyFileAnswer;
}

function rejectsAsInvalid(path: string, hint: RegExp): Promise<void> {
  return assert.rejects(loadOrCreateKeyFile(path), (error) => {
    assert.ok(error instanceof Error && "code" in error);
    assert.equal(error.code, "key_file_invalid");
    assert.match(error.message, hint);
    assert.ok(error.message.includes(path), error.message);
    return true;
  });
}

test("makes a file of mode 0600 in directories of mode 0700 that holds the seed in hex", async () => {
  const parent = newPath();
  const path = join(parent, "deeper", "key");
  const keys = await loadOrCreateKeyFile(path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(parent)).mode & 0o777, 0o700);
  assert.equal((await stat(join(parent, "deeper"))).mode & 0o777, 0o700);
  const text = await readFile(path, "utf8");
  assert.equal(text, `${Buffer.from(keys.secretKey.subarray(0, 32)).toString("hex")}\n`);
  assert.deepEqual(await readdir(join(parent, "deeper")), ["key"]);
});

test("gives the same key again and leaves the file as it is", async () => {
  const path = newPath();
  const first = await loadOrCreateKeyFile(path);
  const written = await stat(path);
  const again = await loadOrCreateKeyFile(path);
  assert.ok(again.id.equals(first.id));
  assert.deepEqual(again.secretKey, first.secretKey);
  assert.equal((await stat(path)).mtimeMs, written.mtimeMs);
});

test("makes another key for another path", async () => {
  const [a, b] = await Promise.all([loadOrCreateKeyFile(newPath()), loadOrCreateKeyFile(newPath())]);
  assert.ok(!a.id.equals(b.id));
});

test("reads a file without a last newline, of mode 0400, and through a link", async () => {
  const expected = (await loadOrCreateKeyFile(await fileWith(goodText))).id;
  assert.ok((await loadOrCreateKeyFile(await fileWith(goodText.trim()))).id.equals(expected));
  const path = await fileWith(goodText, 0o400);
  assert.ok((await loadOrCreateKeyFile(path)).id.equals(expected));
  const link = newPath();
  await symlink(path, link);
  assert.ok((await loadOrCreateKeyFile(link)).id.equals(expected));
});

test("refuses a file that its group or others may read, write or run, and tells the remedy", async () => {
  for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o777]) {
    const path = await fileWith(goodText, mode);
    await rejectsAsInvalid(path, /others may read .*; run: chmod 600 /);
    await chmod(path, 0o600);
    await loadOrCreateKeyFile(path);
  }
});

test("refuses every other content, tells the remedy and leaves the file alone", async () => {
  const seed = goodText.trim();
  const bad = [
    "",
    "\n",
    seed.slice(1),
    `${seed}a`,
    `${seed}\n\n`,
    `${seed}\r\n`,
    ` ${seed}`,
    `\n${seed}`,
    seed.toUpperCase(),
    `${seed.slice(1)}g`,
    `0x${seed}`,
    `\uFEFF${seed}`,
    `{"seed":"${seed}"}`,
    Buffer.from(seed, "hex"),
    new Uint8Array(1024),
  ];
  for (const text of bad) {
    const path = await fileWith(text);
    await rejectsAsInvalid(path, /does not hold 64 lower-case hex digits; move it away to get a new key/);
    assert.deepEqual(await readFile(path), Buffer.from(text));
  }
});

test("refuses a file that is too long, without reading it", async () => {
  await rejectsAsInvalid(await fileWith(new Uint8Array(1025)), /is too long: .*; move it away/);
});

test("refuses what is not a file: a directory, a socket, a device", async (t) => {
  const folder = newPath();
  await mkdir(folder, { mode: 0o700 });
  const socket = newPath();
  const server = createServer().listen(socket);
  t.after(() => server.close());
  await once(server, "listening");
  await chmod(socket, 0o600);
  for (const path of [folder, socket, "/dev/null"]) await rejectsAsInvalid(path, /is not a file; give another path/);
});

test("refuses a path through a file, a path too long and a link to nowhere", async () => {
  const path = await fileWith(goodText);
  await rejectsAsInvalid(join(path, "key"), /ENOTDIR/);
  await rejectsAsInvalid(join(directory, "k".repeat(300)), /ENAMETOOLONG/);
  const loose = newPath();
  await symlink(join(directory, "nowhere"), loose);
  await rejectsAsInvalid(loose, /EEXIST/);
});

test("refuses a directory that may not be searched or written to", async (t) => {
  const userId = process.geteuid?.() === 0 ? { userId: nobody } : {};
  const child = await startProcess();
  t.after(() => stopProcess(child));
  for (const mode of [0o000, 0o555]) {
    const folder = newPath();
    await mkdir(folder);
    await chmod(folder, mode);
    await chmod(directory, 0o711);
    const path = join(folder, "key");
    const { code, message } = await ask(child, { path, ...userId });
    await chmod(folder, 0o700);
    assert.equal(code, "key_file_invalid");
    assert.match(message ?? "", /EACCES: permission denied/);
    assert.ok(message?.includes(path));
    assert.deepEqual(await readdir(folder), []);
  }
});

test("drafts that a crash left behind do not matter and stay", async () => {
  const path = newPath();
  const drafts = [`${path}.0123456789ab`, `${path}.ffffffffffff`];
  for (const draft of drafts) await writeFile(draft, "half a k", { mode: 0o600 });
  const keys = await loadOrCreateKeyFile(path);
  assert.ok((await loadOrCreateKeyFile(path)).id.equals(keys.id));
  for (const draft of drafts) assert.equal(await readFile(draft, "utf8"), "half a k");
});

test("a process killed while it makes keys leaves whole files or none", async () => {
  const child = await startProcess();
  const paths = Array.from({ length: 60 }, newPath);
  const exited = once(child, "exit");
  for (const path of paths) child.send({ path });
  await once(child, "message");
  child.kill("SIGKILL");
  await exited;
  const left = new Set(await readdir(directory));
  for (const path of paths) {
    const existed = left.has(path.slice(directory.length + 1));
    const found = existed ? await readFile(path, "utf8") : undefined;
    const keys = await loadOrCreateKeyFile(path);
    const seed = Buffer.from(keys.secretKey.subarray(0, 32)).toString("hex");
    if (found !== undefined) assert.equal(found, `${seed}\n`);
  }
});

test("many calls at once in one process all get one key", async () => {
  const path = join(newPath(), "key");
  const all = await Promise.all(Array.from({ length: 50 }, () => loadOrCreateKeyFile(path)));
  assert.equal(new Set(all.map(({ id }) => id.toHex())).size, 1);
  assert.deepEqual(await readdir(join(path, "..")), ["key"]);
});

test("two and twenty processes that create the file at once all get one key", async (t) => {
  const children = await Promise.all(Array.from({ length: 20 }, startProcess));
  t.after(() => Promise.all(children.map(stopProcess)));
  for (const count of [2, 2, 20, 20]) {
    const path = join(newPath(), "key");
    const answers = await Promise.all(children.slice(0, count).map((child) => ask(child, { path })));
    const keys = new Set(answers.map(({ key, message }) => key ?? message));
    assert.deepEqual([...keys], [(await loadOrCreateKeyFile(path)).id.toHex()]);
    assert.deepEqual(await readdir(join(path, "..")), ["key"]);
  }
});
