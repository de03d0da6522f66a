// How peers and records are named on the command line.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { NodeClient } from "../../../src/cli/api-client.ts";
import { CliError } from "../../../src/cli/cli-error.ts";
import { checkPeerName, checkRecordName, keyNamed, peerNamed, recordNamed } from "../../../src/cli/peer-name.ts";
import { RuntimeFiles } from "../../../src/cli/runtime-files.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";

const directory = mkdtempSync(join(tmpdir(), "dswarm-names-"));
const runtimeBefore = process.env["XDG_RUNTIME_DIR"];
before(() => {
  process.env["XDG_RUNTIME_DIR"] = directory;
});
after(() => {
  if (runtimeBefore === undefined) delete process.env["XDG_RUNTIME_DIR"];
  else process.env["XDG_RUNTIME_DIR"] = runtimeBefore;
  rmSync(directory, { recursive: true });
});

const self = generateKeyPair().id;
const peer = generateKeyPair().id;
const running = generateKeyPair().id;
const twins = ["one", "two"].map((text) => `&AAAA${RecordKey.ofName(text).toString().slice(5)}`);
const single = RecordKey.ofName("single").toString();

/** A node that knows one peer, and records on two pages. It notes the addresses that it is told. */
function fakeClient(): { readonly client: NodeClient; readonly told: string[] } {
  const told: string[] = [];
  const client = {
    getStatus: async () => ({ id: self.toString(), address: `dswarm://${self.toBase64url()}@127.0.0.1:4001` }),
    listPeers: async () => ({ peers: [{ id: peer.toString(), addresses: ["127.0.0.1:4002", "192.0.2.7:4003"] }] }),
    listRecords: async ({ after: from }: { after: string }) =>
      from === ""
        ? { records: twins.map((key) => ({ key })), next: "page 2" }
        : { records: [{ key: single }, { key: single }], next: "" },
    findPeer: async ({ id }: { id: string }) => void told.push(id),
  };
  return { client: client as unknown as NodeClient, told };
}

function isCliError(exitCode: number, message: RegExp) {
  return (error: unknown) => error instanceof CliError && error.exitCode === exitCode && message.test(error.message);
}

test("a peer is named by its port, its host and port, and the start of its id", async (t) => {
  const { client } = fakeClient();
  const remove = RuntimeFiles.open().add({
    pid: process.pid,
    id: running.toString(),
    port: 5001,
    url: "https://localhost:5001",
    address: `dswarm://${running.toBase64url()}@127.0.0.1:5001`,
    certificateSha256: "00".repeat(32),
    startedAt: new Date(0).toISOString(),
    index: 1,
  });
  t.after(remove);
  const names: readonly (readonly [string, NodeId])[] = [
    ["1", running],
    ["5001", running],
    ["localhost:5001", running],
    ["4001", self],
    ["4002", peer],
    ["4003", peer],
    ["127.0.0.1:4002", peer],
    ["localhost:4002", peer],
    ["[::1]:4002", peer],
    ["192.0.2.7:4003", peer],
    [peer.toString(), peer],
    [peer.toString().slice(0, 9), peer],
    [peer.toBase64url().slice(0, 9), peer],
  ];
  for (const [name, id] of names) {
    checkPeerName(name);
    assert.equal(await peerNamed(name, client), id.toString(), name);
  }
  assert.equal(await keyNamed("4002", client), peer.toString());
  await assert.rejects(
    peerNamed("192.0.2.8:4003", client),
    isCliError(1, /the node knows no peer there; give dswarm:/),
  );
  await assert.rejects(peerNamed("6000", client), isCliError(1, /^6000: the node knows no peer there/));
  await assert.rejects(peerNamed("7", client), isCliError(1, /^no node 7: there are 1 to 1$/));
});

test("a dswarm:// address is told to the node, unless it is its own", async () => {
  const { client, told } = fakeClient();
  const address = `dswarm://${peer.toBase64url()}@192.0.2.9:1`;
  assert.equal(await peerNamed(address, client), peer.toString());
  assert.deepEqual(told, [address]);
  assert.equal(await peerNamed(`dswarm://${self.toBase64url()}@192.0.2.9:1`, client), self.toString());
  assert.equal(told.length, 1);
  assert.throws(() => checkPeerName("dswarm://x@1"), isCliError(2, /expected dswarm:\/\/KEY@HOST:PORT/));
});

test("a record is named by the start of its key; where several begin so, they are listed", async () => {
  const { client } = fakeClient();
  assert.equal(await recordNamed(single.slice(0, 9), client), single);
  assert.equal(await recordNamed(single, client), single);
  assert.equal(await keyNamed(single.slice(0, 9), client), single);
  await assert.rejects(
    recordNamed("&AAAA", client),
    isCliError(1, new RegExp(`^&AAAA begins 2 names; give more of one: ${twins.join(", ").replaceAll(/[+&]/g, ".")}$`)),
  );
  await assert.rejects(recordNamed("&BBBBBBBBB", client), isCliError(1, /no record of the node has such a key/));
});

test("what names no record is refused whatever there is, and named", () => {
  for (const name of [single, single.slice(1), single.slice(0, 5), RecordKey.parse(single).toHex()])
    checkRecordName(name);
  for (const name of ["", "nonsense", "&aa", "@AAAA"]) {
    const message = new RegExp(`^${name}: not a valid record key: expected "&" and 44 characters`);
    assert.throws(() => checkRecordName(name), isCliError(2, message));
  }
});
