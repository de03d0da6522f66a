// Proofs that look right and are not: accepts that open and are not signed by the listener, signatures with an R of small order.
import { createHash, randomBytes } from "node:crypto";
import sodium from "sodium-native";
import { type KeyPair, sign } from "../src/identity/keys.ts";
import type { HostileConnection } from "./hostile-listener.ts";

/** The order of the group that ed25519 signs in (RFC 8032). */
const groupOrder = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
/** The neutral element of the curve, y = 1. */
const neutralElement = Buffer.concat([Buffer.of(1), Buffer.alloc(31)]);
const zeroNonce = Buffer.alloc(24);
const macBytes = 16;

/** Signs a message, 64 bytes. */
export type Sign = (message: Uint8Array, keys: KeyPair) => Uint8Array;

function sha(algorithm: "sha256" | "sha512", ...parts: readonly Uint8Array[]): Buffer {
  return createHash(algorithm).update(Buffer.concat(parts)).digest();
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`);
}

function bytesOf(number: bigint): Buffer {
  return Buffer.from(Buffer.from(number.toString(16).padStart(64, "0"), "hex").toReversed());
}

/** A signature that satisfies the equation of ed25519 with R = the neutral element, which strict verifiers refuse. */
export function signWithSmallOrderR(message: Uint8Array, keys: KeyPair): Uint8Array {
  const scalar = sha("sha512", keys.secretKey.subarray(0, 32)).subarray(0, 32);
  scalar[0] = (scalar[0] ?? 0) & 248;
  scalar[31] = ((scalar[31] ?? 0) & 127) | 64;
  const hash = numberOf(sha("sha512", neutralElement, keys.id.bytes, message)) % groupOrder;
  return Buffer.concat([neutralElement, bytesOf((hash * numberOf(scalar)) % groupOrder)]);
}

/** A good signature of something else. */
export function signSomethingElse(_: Uint8Array, keys: KeyPair): Uint8Array {
  return sign(randomBytes(160), keys);
}

function product(secretKey: Uint8Array, publicKey: Uint8Array): Buffer {
  const shared = Buffer.alloc(32);
  sodium.crypto_scalarmult(shared, secretKey, publicKey);
  return shared;
}

/**
 * Shakes hands as the listener up to the accept, which opens; its signature is what `signAccept` makes.
 * @param keys of the listener
 */
export async function shakeWithAcceptSignedBy(
  raw: HostileConnection,
  { keys, networkKey }: { readonly keys: KeyPair; readonly networkKey: Uint8Array },
  signAccept: Sign,
): Promise<void> {
  const dialerEphemeral = (await raw.read(64)).subarray(32);
  const secret = randomBytes(32);
  const ephemeral = Buffer.alloc(32);
  sodium.crypto_scalarmult_base(ephemeral, secret);
  raw.socket.send(raw.helloOf(ephemeral));
  const curveSecret = Buffer.alloc(32);
  sodium.crypto_sign_ed25519_sk_to_curve25519(curveSecret, keys.secretKey);
  const common = [networkKey, product(secret, dialerEphemeral), product(curveSecret, dialerEphemeral)];
  const authenticate = await raw.read(112);
  const proof = Buffer.alloc(authenticate.length - macBytes);
  if (!sodium.crypto_secretbox_open_easy(proof, authenticate, zeroNonce, sha("sha256", ...common))) {
    throw new Error("the program's authenticate does not open");
  }
  const dialerCurve = Buffer.alloc(32);
  sodium.crypto_sign_ed25519_pk_to_curve25519(dialerCurve, proof.subarray(64));
  const message = Buffer.concat([networkKey, proof, sha("sha256", common[1] ?? Buffer.alloc(0))]);
  const accept = Buffer.alloc(64 + macBytes);
  const key = sha("sha256", ...common, product(secret, dialerCurve));
  sodium.crypto_secretbox_easy(accept, signAccept(message, keys), zeroNonce, key);
  raw.socket.send(accept);
}
