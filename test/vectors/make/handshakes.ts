// handshakes.json: the Secret Handshake, written here a second time from the paper, with Node's own cryptography: X25519, HMAC
// and hashes of node:crypto, ed25519 of @noble/ed25519, and of libsodium the secretbox alone.
import { createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import sodium from "sodium-native";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { type KeyPair, keyPairFromSeed, sign } from "../../../src/identity/keys.ts";
import { bytesFor, hex, type VectorFile } from "./vector-file.ts";

const fieldPrime = 2n ** 255n - 19n;
const zeroNonce = Buffer.alloc(24);

// DER around a raw X25519 key (RFC 8410).
const privateHead = Buffer.from("302e020100300506032b656e04220420", "hex");
const publicHead = Buffer.from("302a300506032b656e032100", "hex");

function privateKey(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([privateHead, raw]), format: "der", type: "pkcs8" });
}

function publicOf(secret: Uint8Array): Buffer {
  const der = createPublicKey(privateKey(secret)).export({ format: "der", type: "spki" });
  return Buffer.from(der.subarray(publicHead.length));
}

function x25519(secret: Uint8Array, point: Uint8Array): Buffer {
  const publicKey = createPublicKey({ key: Buffer.concat([publicHead, point]), format: "der", type: "spki" });
  return diffieHellman({ privateKey: privateKey(secret), publicKey });
}

function sha256(...parts: Uint8Array[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

function auth(key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac("sha512", key).update(message).digest().subarray(0, 32);
}

function box(key: Uint8Array, message: Uint8Array): Buffer {
  const cipher = Buffer.alloc(message.length + 16);
  sodium.crypto_secretbox_easy(cipher, message, zeroNonce, key);
  return cipher;
}

/** base^exponent modulo the field's prime. */
function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % fieldPrime;
    square = (square * square) % fieldPrime;
  }
  return result;
}

/** An ed25519 public key as the X25519 key of the same secret: u = (1 + y) / (1 - y). */
function toX25519(publicKey: Uint8Array): Buffer {
  const bytes = Buffer.from(publicKey);
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  const y = BigInt(`0x${hex(bytes.toReversed())}`);
  const u = ((1n + y) * power((1n - y + fieldPrime) % fieldPrime, fieldPrime - 2n)) % fieldPrime;
  return Buffer.from(Buffer.from(u.toString(16).padStart(64, "0"), "hex").toReversed());
}

/** The X25519 secret of an ed25519 seed, clamped as libsodium gives it. */
function secretOf(seed: Uint8Array): Buffer {
  const secret = Buffer.from(createHash("sha512").update(seed).digest().subarray(0, 32));
  secret[0] = (secret[0] ?? 0) & 248;
  secret[31] = ((secret[31] ?? 0) & 127) | 64;
  return secret;
}

interface Party {
  readonly keys: KeyPair;
  readonly seed: Buffer;
  readonly ephemeralSeed: Buffer;
  readonly ephemeral: Buffer;
  readonly ephemeralPublic: Buffer;
}

function party(name: string): Party {
  const seed = bytesFor(`dswarm vectors: ${name}`);
  const ephemeralSeed = bytesFor(`dswarm vectors: ${name}, ephemeral`);
  const ephemeral = secretOf(ephemeralSeed);
  return { keys: keyPairFromSeed(seed), seed, ephemeralSeed, ephemeral, ephemeralPublic: publicOf(ephemeral) };
}

interface Transcript {
  readonly dialerHello: Buffer;
  readonly listenerHello: Buffer;
  readonly authenticate: Buffer;
  readonly accept: Buffer;
  readonly sharedSecrets: Readonly<Record<"ab" | "aB" | "Ab", string>>;
  readonly box: Readonly<Record<"dialer_key" | "dialer_nonce" | "listener_key" | "listener_nonce", string>>;
}

/** What changes a handshake into one that is refused. */
interface Twist {
  /** What the dialer signs, in place of K, B and the hash. */
  readonly dialerSigns?: (k: Uint8Array, b: Uint8Array, hash: Uint8Array) => Uint8Array;
  /** What the listener signs, in place of K, H and the hash. */
  readonly listenerSigns?: (k: Uint8Array, h: Uint8Array, hash: Uint8Array) => Uint8Array;
  /** The dialer's key within H. */
  readonly claimedKey?: Uint8Array;
  /** The listener's key as the dialer knows it. */
  readonly expectedKey?: KeyPair;
  /** Who signs as the dialer, or the listener. */
  readonly dialerSigner?: KeyPair;
  readonly listenerSigner?: KeyPair;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function run(k: Uint8Array, dialer: Party, listener: Party, twist: Twist = {}): Transcript {
  const { dialerSigns = joined, listenerSigns = joined, expectedKey = listener.keys } = twist;
  const bKey = expectedKey.id.bytes;
  const ab = x25519(dialer.ephemeral, listener.ephemeralPublic);
  const aB = x25519(dialer.ephemeral, toX25519(bKey));
  const Ab = x25519(secretOf(dialer.seed), listener.ephemeralPublic);
  const hash = sha256(ab);
  const claimed = twist.claimedKey ?? dialer.keys.id.bytes;
  const h = Buffer.concat([sign(dialerSigns(k, bKey, hash), twist.dialerSigner ?? dialer.keys), claimed]);
  const last = sha256(k, ab, aB, Ab);
  const s = sha256(last);
  const macOf = ({ ephemeralPublic }: Party): Buffer => auth(k, ephemeralPublic);
  return {
    dialerHello: Buffer.concat([macOf(dialer), dialer.ephemeralPublic]),
    listenerHello: Buffer.concat([macOf(listener), listener.ephemeralPublic]),
    authenticate: box(sha256(k, ab, aB), h),
    accept: box(last, sign(listenerSigns(k, h, hash), twist.listenerSigner ?? listener.keys)),
    sharedSecrets: { ab: hex(ab), aB: hex(aB), Ab: hex(Ab) },
    box: {
      dialer_key: hex(sha256(s, bKey)),
      dialer_nonce: hex(macOf(listener).subarray(0, 24)),
      listener_key: hex(sha256(s, dialer.keys.id.bytes)),
      listener_nonce: hex(macOf(dialer).subarray(0, 24)),
    },
  };
}

const k = networkKeyOf("dev");
const otherK = networkKeyOf("other");
const alice = party("a dialer");
const bob = party("a listener");
const carol = party("a third node");
const honest = run(k, alice, bob);

type Case = VectorFile["cases"][number];

/** What one end has, sends and receives. */
function fieldsOf(role: "dialer" | "listener", own: Party, networkKey: Uint8Array, remote?: KeyPair): object {
  return {
    role,
    network_key: hex(networkKey),
    seed: hex(own.seed),
    public_key: own.keys.id.toHex(),
    ephemeral_seed: hex(own.ephemeralSeed),
    ephemeral_secret_key: hex(own.ephemeral),
    ephemeral_public_key: hex(own.ephemeralPublic),
    remote_public_key: remote?.id.toHex(),
  };
}

function complete(name: string, networkKey: Uint8Array, dialer: Party, listener: Party): Case[] {
  const transcript = run(networkKey, dialer, listener);
  const { dialerHello, listenerHello, authenticate, accept, sharedSecrets, box: keys } = transcript;
  return [
    {
      name: `${name}, as the dialer has it`,
      ...fieldsOf("dialer", dialer, networkKey, listener.keys),
      sends: [hex(dialerHello), hex(authenticate)],
      receives: [hex(listenerHello), hex(accept)],
      shared_secrets: sharedSecrets,
      result: {
        remote_public_key: listener.keys.id.toHex(),
        encrypt_key: keys.dialer_key,
        encrypt_nonce: keys.dialer_nonce,
        decrypt_key: keys.listener_key,
        decrypt_nonce: keys.listener_nonce,
      },
    },
    {
      name: `${name}, as the listener has it`,
      ...fieldsOf("listener", listener, networkKey),
      sends: [hex(listenerHello), hex(accept)],
      receives: [hex(dialerHello), hex(authenticate)],
      shared_secrets: sharedSecrets,
      result: {
        remote_public_key: dialer.keys.id.toHex(),
        encrypt_key: keys.listener_key,
        encrypt_nonce: keys.listener_nonce,
        decrypt_key: keys.dialer_key,
        decrypt_nonce: keys.dialer_nonce,
      },
    },
  ];
}

function refusedByListener(name: string, error: string, receives: readonly Uint8Array[]): Case {
  const sends = receives.length > 1 ? [hex(honest.listenerHello)] : [];
  return { name, ...fieldsOf("listener", bob, k), sends, receives: receives.map(hex), error };
}

function refusedByDialer(
  name: string,
  error: string,
  receives: readonly Uint8Array[],
  authenticate = honest.authenticate,
): Case {
  const sends = [hex(honest.dialerHello), ...(receives.length > 1 ? [hex(authenticate)] : [])];
  return { name, ...fieldsOf("dialer", alice, k, bob.keys), sends, receives: receives.map(hex), error };
}

function flipped(message: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(message);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

function hello(ephemeralPublic: Uint8Array): Buffer {
  return Buffer.concat([auth(k, ephemeralPublic), ephemeralPublic]);
}

/** X25519 keys with which every shared secret is zero. */
const lowOrder: readonly (readonly [fact: string, bytes: string])[] = [
  ["the ephemeral key 0", "00".repeat(32)],
  ["the ephemeral key 1", `01${"00".repeat(31)}`],
  ["an ephemeral key of order 8", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"],
  ["the other ephemeral key of order 8", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"],
  ["the ephemeral key p - 1", `ec${"ff".repeat(30)}7f`],
  ["the ephemeral key p", `ed${"ff".repeat(30)}7f`],
  ["the ephemeral key p + 1", `ee${"ff".repeat(30)}7f`],
  ["the ephemeral key 0 with the top bit", `${"00".repeat(31)}80`],
];

function refused(): Case[] {
  const abroad = run(otherK, alice, bob);
  const replayed = run(k, carol, bob);
  const third = carol.keys;
  const withoutNetwork = run(k, alice, bob, { dialerSigns: (_k, b, hash) => Buffer.concat([b, hash]) });
  const forgedDialer = run(k, alice, bob, { dialerSigner: third });
  const smallOrder = run(k, alice, bob, { claimedKey: Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]) });
  const wrongKey = run(k, alice, bob, { expectedKey: third });
  const impostor = run(k, alice, bob, { listenerSigner: third });
  const unbound = run(k, alice, bob, { listenerSigns: (network, h) => Buffer.concat([network, h]) });
  const toItself = run(k, { ...alice, keys: bob.keys, seed: bob.seed }, bob);
  return [
    refusedByListener("a hello of another network is refused", "hello_invalid", [abroad.dialerHello]),
    refusedByListener("a hello with a flipped bit of its HMAC is refused", "hello_invalid", [
      flipped(honest.dialerHello, 0),
    ]),
    refusedByListener("a hello with a flipped bit of its key is refused", "hello_invalid", [
      flipped(honest.dialerHello, 32),
    ]),
    refusedByListener("bytes right after the dialer's hello are refused", "hello_invalid", [
      Buffer.concat([honest.dialerHello, Buffer.alloc(1)]),
    ]),
    ...lowOrder.map(([fact, bytes]) =>
      refusedByListener(`${fact} is refused under a valid HMAC`, "hello_low_order", [hello(Buffer.from(bytes, "hex"))]),
    ),
    refusedByListener("an authenticate with a flipped bit is refused", "authentication_failed", [
      honest.dialerHello,
      flipped(honest.authenticate, 111),
    ]),
    refusedByListener("an authenticate for another listener's key is refused", "authentication_failed", [
      wrongKey.dialerHello,
      wrongKey.authenticate,
    ]),
    refusedByListener("an authenticate that another key signed is refused", "authentication_failed", [
      honest.dialerHello,
      forgedDialer.authenticate,
    ]),
    refusedByListener(
      "an authenticate whose signature leaves out the network key is refused",
      "authentication_failed",
      [honest.dialerHello, withoutNetwork.authenticate],
    ),
    refusedByListener("an authenticate of another handshake is refused", "authentication_failed", [
      honest.dialerHello,
      replayed.authenticate,
    ]),
    refusedByListener("a dialer's key of small order is refused", "authentication_failed", [
      honest.dialerHello,
      smallOrder.authenticate,
    ]),
    refusedByListener("a dialer that has the listener's own key is refused", "self_connection", [
      toItself.dialerHello,
      toItself.authenticate,
    ]),
    refusedByDialer("a listener's hello of another network is refused", "hello_invalid", [abroad.listenerHello]),
    ...lowOrder
      .slice(0, 3)
      .map(([fact, bytes]) =>
        refusedByDialer(`${fact} is refused by the dialer too`, "hello_low_order", [hello(Buffer.from(bytes, "hex"))]),
      ),
    refusedByDialer("an accept with a flipped bit is refused", "authentication_failed", [
      honest.listenerHello,
      flipped(honest.accept, 0),
    ]),
    refusedByDialer("an accept that another key signed is refused", "authentication_failed", [
      honest.listenerHello,
      impostor.accept,
    ]),
    refusedByDialer("an accept whose signature leaves out the hash of a·b is refused", "authentication_failed", [
      honest.listenerHello,
      unbound.accept,
    ]),
  ];
}

/** The file. */
export function makeHandshakes(): VectorFile {
  return {
    description:
      "One end of a Secret Handshake: its keys, what it sends and what it receives, message by message; the dialer sends first, then they take turns. It ends with result, or refuses the last message received with error, sending nothing. ephemeral_secret_key is the X25519 secret a or b; ephemeral_seed the ed25519 seed that libsodium makes it from. shared_secrets are a·b, a·B' and A'·b. Bytes are lower-case hex.",
    source:
      "scripts/vectors.ts, a second implementation of https://dominictarr.github.io/secret-handshake-paper/shs.pdf",
    cases: [
      ...complete("a handshake on the network dev", k, alice, bob),
      ...complete("a handshake on another network", otherK, carol, alice),
      ...refused(),
    ],
  };
}
