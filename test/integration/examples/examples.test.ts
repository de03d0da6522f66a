// The examples, each as its own processes, as a reader would run them.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";

function run(t: TestContext, example: string, ...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [`examples/${example}.ts`, ...args]);
  child.stderr.pipe(process.stderr);
  t.after(() => child.kill("SIGKILL"));
  return child;
}

/** Collects the output of a process until it matches. */
async function until(child: ChildProcessWithoutNullStreams, pattern: RegExp): Promise<RegExpExecArray> {
  let output = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    const match = pattern.exec(output);
    if (match !== null) return match;
  }
  throw new Error(`the output ended without ${pattern.source}: ${output}`);
}

const timeout = 60_000;

test("echo: a peer is called by its key alone", { timeout }, async (t) => {
  const child = run(t, "echo");
  assert.match(await text(child.stdout), /^@[A-Za-z0-9+/]{43}= answers: Hello, peer!\n$/);
});

test("chat: what one says, others hear", { timeout }, async (t) => {
  const room = run(t, "chat");
  const [, address = ""] = await until(room, /(dswarm:\/\/\S+)/);
  const ada = run(t, "chat", address);
  await until(ada, /\(enters\)/);
  const bob = run(t, "chat", address);
  await until(ada, /\(enters\)/);
  bob.stdin.write("good morning\n");
  await until(ada, /good morning/);
  bob.stdin.end();
  await until(ada, /\(leaves\)/);
  ada.stdin.end();
  await once(ada, "exit");
  room.stdin.end();
  const [code] = await once(room, "exit");
  assert.equal(code, 0);
});

test("file-transfer: a file arrives as it is, and nothing outside the directory does", { timeout }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "dswarm-example-"));
  t.after(() => rm(directory, { recursive: true }));
  const content = randomBytes(5_000_000);
  await writeFile(join(directory, "file.bin"), content);
  const server = run(t, "file-transfer", directory);
  const [, address = ""] = await until(server, /(dswarm:\/\/\S+)/);
  assert.ok((await buffer(run(t, "file-transfer", address, "file.bin").stdout)).equals(content));
  const thief = spawn(process.execPath, ["examples/file-transfer.ts", address, "../file.bin"]);
  assert.match(await text(thief.stderr), /not a file name/);
});

test("worker-pool: the work is done although a worker that was heard of is dead", { timeout }, async (t) => {
  const [good, bad] = [run(t, "worker-pool", "worker"), run(t, "worker-pool", "worker")];
  await Promise.all([until(good, /works/), until(bad, /works/)]);
  const pool = run(t, "worker-pool", "3000000");
  bad.kill("SIGKILL");
  assert.match(await text(pool.stdout), /^216816 primes below 3000000, counted by [12] workers\n$/);
});
