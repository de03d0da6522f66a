// Values as their exact bytes: what curl sends and gets with application/octet-stream, from one node to another.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { send, startNode, testNetwork, until } from "./rig.ts";

const raw = { "Content-Type": "application/octet-stream" };
const json = { "Content-Type": "application/json" };

/** GET of the bytes. */
async function bytesOf(url: string, accept = "application/octet-stream") {
  const response = await fetch(url, { headers: { Accept: accept } });
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

/** Sends bytes as the body. */
async function put(url: string, method: string, body: Uint8Array, headers: Record<string, string> = raw) {
  const response = await fetch(url, { method, headers, body: Buffer.from(body) });
  return { status: response.status, json: await response.json() };
}

test("any bytes go in and out exactly, on another node, too", async (t) => {
  const network = await testNetwork();
  const one = await startNode(t, { ...network, httpPort: 0 });
  const two = await startNode(t, { ...network, httpPort: 0 });
  await until("each is in the other's table", () => one.dht.table.size === 1 && two.dht.table.size === 1);
  for (const value of [randomBytes(65_536), Buffer.from("\0\xff\r\n", "latin1"), Buffer.from("{}")]) {
    const stored = await put(`${one.httpUrl}/api/values`, "POST", value);
    assert.equal(stored.status, 200, JSON.stringify(stored.json));
    assert.equal(stored.json.key, `&${createHash("sha256").update(value).digest("base64")}`);
    const url = `${two.httpUrl}/api/values/${RecordKey.parse(stored.json.key).toBase64url()}`;
    const got = await bytesOf(url);
    assert.deepEqual([got.status, got.bytes.equals(value)], [200, true]);
    assert.equal(got.headers.get("content-type"), "application/octet-stream");
    assert.equal(got.headers.get("content-length"), `${value.length}`);
    assert.match(got.headers.get("dswarm-ttl") ?? "", /^[1-9]\d*$/);
    assert.equal(got.headers.get("dswarm-sequence"), null);
    assert.equal(got.headers.get("vary"), "Accept");
    for (const accept of ["*/*", "application/json", "application/json, application/octet-stream;q=0.5"]) {
      const record = JSON.parse((await bytesOf(url, accept)).bytes.toString()).record;
      assert.equal(record.immutable.value, value.toString("base64"), accept);
    }
    const again = await put(url, "PUT", value);
    assert.deepEqual([again.status, again.json.key], [200, stored.json.key]);
    const other = await put(url, "PUT", Buffer.concat([value.subarray(0, 9), Buffer.from("x")]));
    assert.equal(other.status, 400, JSON.stringify(other.json));
    assert.equal(other.json.reason, "record_invalid");
  }
  const large = await put(`${one.httpUrl}/api/values`, "POST", Buffer.alloc(65_537));
  assert.equal(large.status, 400, JSON.stringify(large.json));
  const huge = await put(`${one.httpUrl}/api/values`, "POST", Buffer.alloc(2 ** 20 + 1));
  assert.equal(huge.status, 413);
});

test("a body without a content type, as curl -T sends it, is raw", async (t) => {
  const node = await startNode(t, { discovery: false });
  const answer = await send(node.port, "/api/values", { method: "POST", headers: {} }, "{}");
  assert.equal(answer.status, 200, answer.text);
  assert.equal(JSON.parse(answer.text).key, RecordKey.ofValue(Buffer.from("{}")).toString());
  const chunked = { method: "POST", headers: { "Transfer-Encoding": "chunked" } };
  const streamed = await send(node.port, "/api/values", chunked, "{}");
  assert.equal(JSON.parse(streamed.text).key, JSON.parse(answer.text).key);
  // What has no raw form still asks for JSON.
  const refused = await send(node.port, "/api/provide", { method: "POST", headers: raw }, "{}");
  assert.equal(refused.status, 415);
  const form = { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" } };
  const posted = await send(node.port, "/api/values", form, "{}");
  assert.equal(posted.status, 415);
  assert.match(JSON.parse(posted.text).message, /application\/octet-stream/);
});

test("the node's own values are updated raw, with salt and sequence in the query, and deleted ones are not found", async (t) => {
  const node = await startNode(t, { discovery: false, httpPort: 0 });
  const update = `${node.httpUrl}/api/update`;
  const salt = Buffer.from("a/b?").toString("base64url");
  const first = await put(`${update}?salt=${salt}`, "POST", Buffer.from([0, 255]));
  assert.equal(first.status, 200, JSON.stringify(first.json));
  const url = `${node.httpUrl}/api/values/${RecordKey.parse(first.json.key).toBase64url()}`;
  const got = await bytesOf(url);
  assert.deepEqual([...got.bytes], [0, 255]);
  assert.equal(got.headers.get("dswarm-sequence"), first.json.sequence);
  const sequence = `salt=${salt}&expectedSequence=${first.json.sequence}`;
  const second = await put(`${update}?${sequence}`, "POST", Buffer.from("second"));
  assert.equal(second.status, 200, JSON.stringify(second.json));
  assert.equal((await bytesOf(url)).bytes.toString(), "second");
  const stale = await put(`${update}?${sequence}`, "POST", Buffer.from("third"));
  assert.deepEqual([stale.status, stale.json.reason], [409, "record_conflict"]);
  const unknown = await put(`${update}?value=eA`, "POST", Buffer.from("x"));
  assert.equal(unknown.status, 400);
  // Beside JSON the query goes before the body.
  const byJson = await put(`${update}?salt=${salt}`, "POST", Buffer.from(`{"value":"eA==","salt":"eA=="}`), json);
  assert.equal(byJson.json.key, first.json.key);
  await put(`${node.httpUrl}/api/delete`, "POST", Buffer.from(JSON.stringify({ salt })), json);
  const gone = await bytesOf(url);
  assert.deepEqual([gone.status, JSON.parse(gone.bytes.toString()).reason], [404, "record_not_found"]);
});
