// The recorded vectors of npm test-secret-handshake, for the functions as we use them and for the machine around them.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import crypto from "secret-handshake/crypto.js";
import { Handshake } from "../../../src/channel/handshake.ts";
import type { KeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";

type Value = Buffer | string | number | boolean | null | undefined | Value[] | { readonly [name: string]: Value };
type Fields = Readonly<Record<string, Value>>;
interface Vector {
  readonly name: string;
  readonly args: Value[];
  readonly result: Value;
}

const functions = new Map<string, unknown>(Object.entries(crypto));

function revive(_name: string, value: Value): Value {
  return typeof value === "string" && /^([0-9a-f]{2})+$/.test(value) ? Buffer.from(value, "hex") : value;
}

function load(): Vector[] {
  const require = createRequire(import.meta.url);
  const text = JSON.stringify(require("test-secret-handshake/data.json"));
  return JSON.parse(text, revive) as Vector[];
}

function fields(value: Value): Fields {
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value));
  return value as Fields;
}

function bytes(value: Value): Buffer {
  assert.ok(Buffer.isBuffer(value));
  return value;
}

function keysOf(state: Fields): KeyPair {
  const local = fields(state["local"]);
  return { id: NodeId.fromBytes(bytes(local["publicKey"])), secretKey: bytes(local["secretKey"]) };
}

test("the functions give the recorded results", () => {
  const vectors = load();
  assert.ok(vectors.length > 150);
  for (const [i, { name, args, result }] of vectors.entries()) {
    // `clean` was recorded after it had wiped its own argument, so it cannot be run again.
    if (name === "clean") continue;
    const run = functions.get(name);
    assert.ok(typeof run === "function");
    assert.deepEqual(run(...args), result, `vector ${i}, ${name}`);
  }
});

test("the machine sends the recorded messages and ends with the recorded keys", () => {
  const vectors = load();
  let complete = 0;
  for (let i = 0; i < vectors.length; i++) {
    // One whole handshake, as its steps were recorded one after the other.
    const names = "initialize createChallenge initialize verifyChallenge createChallenge verifyChallenge";
    const proofs =
      "clientVerifyChallenge clientCreateAuth serverVerifyAuth serverCreateAccept clean clientVerifyAccept";
    const expected = [...names.split(" "), ...proofs.split(" "), "clean"];
    const run = vectors.slice(i, i + expected.length);
    if (run.map(({ name }) => name).join() !== expected.join()) continue;
    complete += 1;
    const [initialized, hello, listenerInitialized, , serverHello, , , authenticate, , accept, atListener, , atDialer] =
      run.map(({ result }) => result);
    const dialerState = fields(initialized);
    const listenerState = fields(listenerInitialized);
    const networkKey = bytes(dialerState["app_key"]);
    const dialer = Handshake.dialer({
      networkKey,
      keys: keysOf(dialerState),
      seed: Buffer.from(bytes(dialerState["random"])),
      remoteId: NodeId.fromBytes(bytes(fields(dialerState["remote"])["publicKey"])),
    });
    const listener = Handshake.listener({
      networkKey,
      keys: keysOf(listenerState),
      seed: Buffer.from(bytes(listenerState["random"])),
    });
    assert.deepEqual(dialer.start().send, hello);
    assert.deepEqual(listener.push(bytes(hello)).send, serverHello);
    assert.deepEqual(dialer.push(bytes(serverHello)).send, authenticate);
    const accepted = listener.push(bytes(authenticate));
    assert.deepEqual(accepted.send, accept);
    assert.deepEqual(accepted.outcome?.encryptKey, fields(atListener)["encryptKey"]);
    assert.deepEqual(accepted.outcome?.decryptKey, fields(atListener)["decryptKey"]);
    const { outcome } = dialer.push(bytes(accept));
    assert.deepEqual(outcome?.encryptKey, fields(atDialer)["encryptKey"]);
    assert.deepEqual(outcome?.decryptKey, fields(atDialer)["decryptKey"]);
  }
  assert.ok(complete >= 3, `${complete} whole handshakes`);
});
