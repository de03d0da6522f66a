// A node that cannot start says why and what to do, and leaves nothing open: the child process ends by itself.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createNode } from "../../../src/create-node.ts";
import { spawnChild } from "./child-node.ts";
import type { ChildOptions } from "./node-process.ts";
import { freeUdpPort, send, startNode, testNetwork } from "./rig.ts";

interface Failure {
  readonly name: string;
  readonly options: (t: TestContext) => Promise<ChildOptions>;
  readonly error: { readonly name: string; readonly code: string | null; readonly message: RegExp };
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "dswarm-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

function dswarmError(code: string, message: RegExp): Failure["error"] {
  return { name: "DswarmError", code, message };
}

const failures: readonly Failure[] = [
  {
    name: "a port that another program uses",
    async options(t) {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      t.after(() => server.close());
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      return { ...(await testNetwork()), port: address.port };
    },
    error: dswarmError(
      "bind_failed",
      /127\.0\.0\.1:\d+: another program uses it; choose another port, or 0 for a free/,
    ),
  },
  {
    name: "an address of another machine",
    options: async () => ({ host: "192.0.2.1", discovery: false }),
    error: dswarmError("bind_failed", /192\.0\.2\.1:0: the address is none of this machine's/),
  },
  {
    name: "an unknown network interface",
    options: async () => ({ host: "nosuch0" }),
    error: dswarmError("interface_unknown", /nosuch0; there are .*lo/),
  },
  {
    name: "a UDP port that another program does not share",
    async options(t) {
      const socket = createSocket("udp4");
      const udpPort = await freeUdpPort();
      socket.bind({ port: udpPort, address: "0.0.0.0", exclusive: true });
      await once(socket, "listening");
      t.after(() => socket.close());
      return { discovery: { udpPort } };
    },
    error: dswarmError("discovery_failed", /UDP port \d+: .*; another program may hold it/),
  },
  {
    name: "a key file that holds something else",
    async options(t) {
      const dataDir = await temporaryDirectory(t);
      await writeFile(join(dataDir, "key"), "no key\n", { mode: 0o600 });
      return { dataDir, discovery: false };
    },
    error: dswarmError("key_file_invalid", /does not hold 64 lower-case hex digits; move it away/),
  },
  {
    name: "a key file that others may read",
    async options(t) {
      const dataDir = await temporaryDirectory(t);
      await writeFile(join(dataDir, "key"), `${"ab".repeat(32)}\n`);
      await chmod(join(dataDir, "key"), 0o644);
      return { dataDir, discovery: false };
    },
    error: dswarmError("key_file_invalid", /run: chmod 600/),
  },
  {
    name: "a data directory that is a file",
    async options(t) {
      const path = join(await temporaryDirectory(t), "file");
      await writeFile(path, "");
      return { dataDir: join(path, "data"), discovery: false };
    },
    error: dswarmError("data_dir_invalid", /ENOTDIR/),
  },
  {
    name: "a data directory that others may write to",
    async options(t) {
      const dataDir = await temporaryDirectory(t);
      await chmod(dataDir, 0o777);
      return { dataDir, discovery: false };
    },
    error: dswarmError("data_dir_invalid", /others may replace what is in .*; run: chmod 700 /),
  },
  {
    name: "a data directory whose lock is a directory",
    async options(t) {
      const dataDir = await temporaryDirectory(t);
      await mkdir(join(dataDir, "lock"));
      return { dataDir, discovery: false };
    },
    error: dswarmError("data_dir_invalid", /lock is not a file/),
  },
  {
    name: "a port out of its range",
    options: async () => ({ port: 65_536 }),
    error: { name: "RangeError", code: null, message: /port: 65536/ },
  },
  {
    name: "an API token that is too short",
    options: async (t) => ({ dataDir: await temporaryDirectory(t), api: { token: "short" } }),
    error: { name: "TypeError", code: null, message: /token/ },
  },
  {
    name: "a bootstrap address of another form",
    options: async () => ({ bootstrap: ["127.0.0.1:1"] }),
    error: dswarmError("address_invalid", /dswarm:\/\/KEY@HOST:PORT/),
  },
];

test("a failed start says why and leaves nothing open", async (t) => {
  const child = spawnChild(t, await Promise.all(failures.map(({ options }) => options(t))));
  await child.ended();
  child.assertUnharmed();
  for (const [i, { name, error }] of failures.entries()) {
    const failed = child.all("failed")[i] ?? assert.fail(`${name}: no failure`);
    assert.deepEqual([failed["name"], failed["code"]], [error.name, error.code], name);
    assert.match(String(failed["message"]), error.message, name);
  }
});

test("after a failed start the same process can start another node with the same data directory and port", async (t) => {
  const dataDir = await temporaryDirectory(t);
  await using blocker = await createNode({ discovery: false });
  const { port } = blocker;
  await assert.rejects(createNode({ dataDir, port, discovery: false }), { code: "bind_failed" });
  await assert.rejects(createNode({ dataDir, discovery: false, api: { requestBurst: 0 } }), RangeError);
  await blocker.close();
  const node = await startNode(t, { dataDir, port, discovery: false });
  assert.equal((await send(node.port, "/api/status")).status, 200);
});
