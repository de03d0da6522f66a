// The vectors are made by a second implementation; here the one in use gets the same keys and messages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Handshake, type HandshakeOutcome } from "../../../src/channel/handshake.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { loadCases } from "./load-cases.ts";

interface HandshakeCase {
  readonly role: "dialer" | "listener";
  readonly network_key: string;
  readonly seed: string;
  readonly public_key: string;
  readonly ephemeral_seed: string;
  readonly remote_public_key?: string;
  readonly sends: readonly string[];
  readonly receives: readonly string[];
  readonly result?: Readonly<Record<string, string>>;
  readonly error?: string;
}

const bytesOf = (text = ""): Buffer => Buffer.from(text, "hex");

function machineOf(vector: HandshakeCase): Handshake {
  const keys = keyPairFromSeed(bytesOf(vector.seed));
  assert.equal(keys.id.toHex(), vector.public_key);
  const options = { keys, networkKey: bytesOf(vector.network_key), seed: bytesOf(vector.ephemeral_seed) };
  return vector.role === "listener"
    ? Handshake.listener(options)
    : Handshake.dialer({ ...options, remoteId: NodeId.fromBytes(bytesOf(vector.remote_public_key)) });
}

for (const vector of loadCases<HandshakeCase>("handshakes.json")) {
  test(`handshakes.json: ${vector.name}`, () => {
    const machine = machineOf(vector);
    const sent: string[] = [];
    let outcome: HandshakeOutcome | undefined;
    let refusal: unknown;
    const hello = machine.start().send;
    if (hello !== undefined) sent.push(toHex(hello));
    for (const [i, message] of vector.receives.entries()) {
      assert.equal(refusal, undefined, `message ${i} is refused before its time`);
      try {
        const step = machine.push(bytesOf(message));
        if (step.send !== undefined) sent.push(toHex(step.send));
        outcome = step.outcome;
      } catch (error) {
        refusal = error;
      }
    }
    assert.deepEqual(sent, vector.sends);
    if (vector.error === undefined) {
      assert.ok(outcome !== undefined);
      const result = {
        remote_public_key: outcome.remoteId.toHex(),
        encrypt_key: toHex(outcome.encryptKey),
        encrypt_nonce: toHex(outcome.encryptNonce),
        decrypt_key: toHex(outcome.decryptKey),
        decrypt_nonce: toHex(outcome.decryptNonce),
      };
      assert.deepEqual(result, vector.result);
    } else {
      assert.ok(refusal instanceof DswarmError);
      assert.equal(refusal.code, vector.error);
    }
  });
}
