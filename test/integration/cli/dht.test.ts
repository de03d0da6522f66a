// The commands that use the DHT, against running nodes, and `sim`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { CliRig } from "./cli-rig.ts";

const key = "&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

suite("dht", { concurrency: 2 }, () => {
  test("values, signed values and providers by command", async (t) => {
    const rig = new CliRig(t);
    const { node } = await rig.startNode();
    const put = await rig.result(["put", "hello", "--json"]);
    assert.deepEqual([put.code, put.stderr, JSON.parse(put.stdout)], [0, "", { key, keptHere: true, replicas: 0 }]);
    for (const form of [key, key.slice(1), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"]) {
      const { code, stdout } = await rig.result(["get", form]);
      assert.deepEqual([code, stdout], [0, "hello"]);
    }
    const json = JSON.parse((await rig.result(["get", key, "--json"])).stdout);
    assert.equal(json.record.immutable.value, "aGVsbG8=");

    assert.equal((await rig.result(["get", key.slice(0, 9)])).stdout, "hello");
    const none = await rig.result(["get", "&MPJN"]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /&MPJN: no record of the node has such a key/);

    const missing = await rig.result(["get", key.replace("&L", "&M")]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /no record is found under the key/);
    const bad = await rig.result(["get", "nonsense"]);
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /not a valid record key/);

    const first = JSON.parse((await rig.result(["update", "one", "--json"])).stdout);
    assert.equal(first.sequence, "1");
    const conflict = await rig.result(["update", "two", "--expect", "7"]);
    assert.equal(conflict.code, 1);
    assert.match(conflict.stderr, /it is 1, not 7/);
    const second = JSON.parse((await rig.result(["update", "two", "--expect", "1", "--json"])).stdout);
    assert.deepEqual([second.key, second.sequence], [first.key, "2"]);
    assert.equal((await rig.result(["get", first.key])).stdout, "two");
    assert.equal((await rig.result(["delete"])).code, 0);
    const never = await rig.result(["delete", "--salt", "neverthere"]);
    assert.equal(never.code, 1);
    assert.match(never.stderr, /no record is found under the key: this node has published nothing there/);
    const listed = JSON.parse((await rig.result(["records", "--json"])).stdout);
    assert.equal(listed.published, 2);
    assert.equal((await rig.result(["get", first.key])).code, 1);

    assert.equal((await rig.result(["provide", "--name", "pictures"])).code, 0);
    const found = JSON.parse((await rig.result(["providers", "--name", "pictures", "--json"])).stdout);
    assert.deepEqual(found.providers, [{ id: node.id, addresses: [`127.0.0.1:${node.port}`] }]);
    assert.equal((await rig.result(["provide", "--name", "pictures", "--stop"])).code, 0);
    assert.equal((await rig.result(["providers", "--name", "pictures"])).code, 1);
    assert.equal((await rig.result(["provide"])).code, 2);
  });

  test("lookup and buckets show the other node", async (t) => {
    const rig = new CliRig(t);
    const a = await rig.startNode();
    const b = await rig.startNode();
    await Promise.all([a.run.event("peer"), b.run.event("peer")]);
    const tableOf = async () => (await rig.result(["buckets", "--node", `${a.node.port}`])).stdout;
    let table = await tableOf();
    for (let tries = 0; tries < 50 && !table.includes(b.node.id); tries++) table = await tableOf();
    assert.match(table, /1 contact in 1 bucket/);
    const { code, stdout } = await rig.result(["lookup", key, "--node", `${a.node.port}`]);
    assert.equal(code, 0);
    assert.ok(stdout.includes(b.node.id), stdout);
    assert.match(stdout, /1 node\n1 query, 0 failed, 1 hop, [\d.]+ ms/);
  });

  test("sim prints a table and CSV, the same for the same seed", async (t) => {
    const rig = new CliRig(t);
    const csv = join(rig.directory, "sim.csv");
    const flags = ["sim", "--nodes", "30", "--seed", "7", "--lookups", "20", "--puts", "5"];
    const { code, stdout } = await rig.result(flags);
    assert.equal(code, 0);
    assert.match(stdout, /^seed 7, digest [0-9a-f]{16}\n/);
    assert.match(stdout, /\nlookup +20 +100\.0 +1\.000 /);
    assert.match(stdout, /\n\nseed,nodes,/);
    const again = await rig.result([...flags, "--csv", csv]);
    assert.equal(again.stdout.split("\n")[0], stdout.split("\n")[0]);
    assert.equal(readFileSync(csv, "utf8").split("\r\n").length, 5);
    assert.equal((await rig.result(["sim", "--nodes", "0"])).code, 2);
  });
});
