// The Secret Handshake as a machine fed with bytes: both roles against each other, without a network.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { Boxer, Unboxer } from "../../../src/channel/box-stream.ts";
import { Handshake, type HandshakeOutcome, type HandshakeStep } from "../../../src/channel/handshake.ts";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import type { ErrorCode } from "../../../src/util/errors.ts";

const networkKey = networkKeyOf("handshake test");
const alice = generateKeyPair();
const bob = generateKeyPair();

interface Changes {
  readonly dialerKeys?: KeyPair;
  readonly dialerNetwork?: Uint8Array;
  readonly remoteId?: NodeId;
  readonly authorize?: (id: NodeId) => boolean;
  readonly seeds?: readonly [Uint8Array, Uint8Array];
}

function newPair(changes: Changes = {}): { dialer: Handshake; listener: Handshake } {
  const [dialerSeed, listenerSeed] = changes.seeds ?? [randomBytes(32), randomBytes(32)];
  return {
    dialer: Handshake.dialer({
      keys: changes.dialerKeys ?? alice,
      networkKey: changes.dialerNetwork ?? networkKey,
      remoteId: changes.remoteId ?? bob.id,
      seed: dialerSeed,
    }),
    listener: Handshake.listener({ keys: bob, networkKey, authorize: changes.authorize, seed: listenerSeed }),
  };
}

/** The bytes that a step sends. */
function sent(step: HandshakeStep): Buffer {
  return Buffer.from(step.send ?? []);
}

function outcomeOf(step: HandshakeStep): HandshakeOutcome {
  assert.ok(step.outcome);
  return step.outcome;
}

/** Feeds bytes in pieces; returns the last step that did something. */
function feed(handshake: Handshake, bytes: Uint8Array, pieceBytes: number): HandshakeStep {
  let last: HandshakeStep = {};
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const step = handshake.push(bytes.subarray(at, at + pieceBytes));
    if (step.send !== undefined || step.outcome !== undefined) last = step;
  }
  return last;
}

function assertFails(act: () => unknown, code: ErrorCode): void {
  assert.throws(act, { name: "DswarmError", code });
}

function hello(ephemeral: Uint8Array, network = networkKey): Buffer {
  const mac = createHmac("sha512", network).update(ephemeral).digest().subarray(0, 32);
  return Buffer.concat([mac, ephemeral]);
}

test("both ends agree on keys and learn each other's key, however the messages are split", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 112 }), (pieceBytes) => {
      const { dialer, listener } = newPair();
      const serverHello = sent(feed(listener, sent(dialer.start()), pieceBytes));
      const authenticate = sent(feed(dialer, serverHello, pieceBytes));
      const accepted = feed(listener, authenticate, pieceBytes);
      const atListener = outcomeOf(accepted);
      const atDialer = outcomeOf(feed(dialer, sent(accepted), pieceBytes));
      assert.ok(atListener.remoteId.equals(alice.id));
      assert.ok(atDialer.remoteId.equals(bob.id));
      assert.deepEqual(atDialer.encryptKey, atListener.decryptKey);
      assert.deepEqual(atDialer.decryptKey, atListener.encryptKey);
      assert.deepEqual(atDialer.encryptNonce, atListener.decryptNonce);
      assert.deepEqual(atDialer.decryptNonce, atListener.encryptNonce);
      assert.notDeepEqual(atDialer.encryptKey, atDialer.decryptKey);
      assert.equal(atDialer.encryptNonce.length, 24);
      assert.equal(atDialer.rest.length + atListener.rest.length, 0);
    }),
    { numRuns: 30 },
  );
});

test("bytes after the last message are handed on as they are", () => {
  const { dialer, listener } = newPair();
  const authenticate = sent(dialer.push(sent(listener.push(sent(dialer.start())))));
  const early = Buffer.from("early boxes");
  const accepted = listener.push(Buffer.concat([authenticate, early]));
  const atListener = outcomeOf(accepted);
  assert.deepEqual(Buffer.from(atListener.rest), early);
  const boxed = new Boxer(atListener.encryptKey, atListener.encryptNonce).box(Buffer.from("hi"));
  const atDialer = outcomeOf(dialer.push(Buffer.concat([sent(accepted), boxed])));
  const plain: Uint8Array[] = [];
  new Unboxer(atDialer.decryptKey, atDialer.decryptNonce).push(atDialer.rest, plain);
  assert.equal(Buffer.concat(plain).toString(), "hi");
});

test("the listener says nothing until it has a valid hello", () => {
  const { listener } = newPair();
  assert.deepEqual(listener.start(), {});
  assert.deepEqual(listener.push(randomBytes(63)), {});
});

test("a hello of another network, with a wrong HMAC or with more after it is invalid, in both roles", () => {
  const other = newPair({ dialerNetwork: networkKeyOf("other") });
  assertFails(() => other.listener.push(sent(other.dialer.start())), "hello_invalid");
  assertFails(() => other.dialer.push(sent(newPair().dialer.start())), "hello_invalid");
  for (const role of ["dialer", "listener"] as const) {
    assertFails(() => newPair()[role].push(randomBytes(64)), "hello_invalid");
    const tooLong = Buffer.concat([sent(newPair().dialer.start()), Buffer.of(0)]);
    assertFails(() => newPair()[role].push(tooLong), "hello_invalid");
  }
});

test("an ephemeral key of low order is refused under a valid HMAC, in both roles", () => {
  const zero = Buffer.alloc(32);
  const orderEight = Buffer.from("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", "hex");
  const topBit = Buffer.from(orderEight).fill(0x80, 31);
  for (const role of ["dialer", "listener"] as const) {
    for (const key of [zero, orderEight, topBit]) {
      assertFails(() => newPair()[role].push(hello(key)), "hello_low_order");
    }
  }
});

test("a dialer that expects another key is not authenticated, and neither is the listener", () => {
  const { dialer, listener } = newPair({ remoteId: generateKeyPair().id });
  const authenticate = sent(dialer.push(sent(listener.push(sent(dialer.start())))));
  assertFails(() => listener.push(authenticate), "authentication_failed");
  assert.equal(dialer.hangUp().code, "authentication_failed");
  assertFails(() => dialer.push(randomBytes(80)), "authentication_failed");
});

test("a dialer that signs with another key than it claims is not authenticated", () => {
  const forged = { id: alice.id, secretKey: Uint8Array.from(generateKeyPair().secretKey) };
  const { dialer, listener } = newPair({ dialerKeys: forged });
  const authenticate = sent(dialer.push(sent(listener.push(sent(dialer.start())))));
  assertFails(() => listener.push(authenticate), "authentication_failed");
});

test("a replayed hello and proof are not authenticated", () => {
  const { dialer, listener } = newPair();
  const firstHello = sent(dialer.start());
  const authenticate = sent(dialer.push(sent(listener.push(firstHello))));
  outcomeOf(listener.push(authenticate));
  const again = newPair().listener;
  again.push(firstHello);
  assertFails(() => again.push(authenticate), "authentication_failed");
});

test("a flipped bit of a proof is not authenticated, in both roles", () => {
  const { dialer, listener } = newPair();
  const authenticate = sent(dialer.push(sent(listener.push(sent(dialer.start())))));
  const accept = sent(listener.push(authenticate));
  accept[40] = (accept[40] ?? 0) ^ 1;
  assertFails(() => dialer.push(accept), "authentication_failed");
  const second = newPair();
  const proof = sent(second.dialer.push(sent(second.listener.push(sent(second.dialer.start())))));
  proof[40] = (proof[40] ?? 0) ^ 1;
  assertFails(() => second.listener.push(proof), "authentication_failed");
});

test("whatever bytes come, only a DswarmError leaves the machine", () => {
  fc.assert(
    fc.property(fc.constantFrom("dialer", "listener"), fc.array(fc.uint8Array({ maxLength: 200 })), (role, chunks) => {
      const handshake = newPair()[role];
      try {
        for (const chunk of chunks) handshake.push(chunk);
      } catch (error) {
        assert.equal(error instanceof Error && error.name, "DswarmError");
      }
    }),
  );
});

test("an expected key that is no point of the curve cannot be proven", () => {
  // A y coordinate without an x: about every second one is.
  let remoteId: NodeId | undefined;
  for (let y = 2; remoteId === undefined; y++) {
    const { dialer, listener } = newPair({ remoteId: NodeId.fromBytes(Buffer.alloc(32).fill(y, 0, 1)) });
    try {
      dialer.push(sent(listener.push(sent(dialer.start()))));
    } catch (error) {
      assert.ok(error instanceof Error && "code" in error);
      assert.equal(error.code, "authentication_failed");
      remoteId = NodeId.fromBytes(Buffer.alloc(32).fill(y, 0, 1));
    }
  }
});

test("the listener asks whether the key may connect, and says nothing when it may not", () => {
  const asked: NodeId[] = [];
  const { dialer, listener } = newPair({
    authorize: (id) => {
      asked.push(id);
      return false;
    },
  });
  const authenticate = sent(dialer.push(sent(listener.push(sent(dialer.start())))));
  assertFails(() => listener.push(authenticate), "peer_not_allowed");
  assert.ok(asked[0]?.equals(alice.id));
  assert.equal(asked.length, 1);
  const throwing = newPair({
    authorize: () => {
      throw new Error("no list");
    },
  });
  const proof = sent(throwing.dialer.push(sent(throwing.listener.push(sent(throwing.dialer.start())))));
  assertFails(() => throwing.listener.push(proof), "peer_not_allowed");
});

test("a node does not shake hands with itself", () => {
  const { dialer, listener } = newPair({ dialerKeys: bob });
  const authenticate = sent(dialer.push(sent(listener.push(sent(dialer.start())))));
  assertFails(() => listener.push(authenticate), "self_connection");
});

test("hanging up means a refusal to a dialer that waits for the accept, and a truncation before", () => {
  const { dialer, listener } = newPair();
  assert.equal(dialer.hangUp().code, "handshake_truncated");
  assert.equal(listener.hangUp().code, "handshake_truncated");
  const serverHello = sent(listener.push(sent(dialer.start())));
  assert.equal(listener.hangUp().code, "handshake_truncated");
  dialer.push(serverHello);
  assert.equal(dialer.hangUp().code, "authentication_failed");
});

test("the seed, from which the ephemeral keys come, is wiped on success, on failure and on demand", () => {
  const zeros = Buffer.alloc(32);
  const seeds = [randomBytes(32), randomBytes(32)] as const;
  const { dialer, listener } = newPair({ seeds });
  const accepted = listener.push(sent(dialer.push(sent(listener.push(sent(dialer.start()))))));
  assert.deepEqual(seeds[1], zeros);
  const outcome = outcomeOf(dialer.push(sent(accepted)));
  assert.deepEqual(seeds[0], zeros);
  assert.notDeepEqual(outcome.encryptKey, zeros);

  const failing = [randomBytes(32), randomBytes(32)] as const;
  assertFails(() => newPair({ seeds: failing }).listener.push(randomBytes(64)), "hello_invalid");
  assert.deepEqual(failing[1], zeros);

  const given = [randomBytes(32), randomBytes(32)] as const;
  newPair({ seeds: given }).dialer.wipe();
  assert.deepEqual(given[0], zeros);
});

test("a network key or seed of another length is refused", () => {
  const options = { keys: alice, remoteId: bob.id, networkKey, seed: randomBytes(32) };
  assert.throws(() => Handshake.dialer({ ...options, seed: randomBytes(31) }), RangeError);
  assert.throws(() => Handshake.dialer({ ...options, networkKey: randomBytes(33) }), RangeError);
});
