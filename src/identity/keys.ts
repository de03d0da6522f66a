// ed25519 keys (RFC 8032): made and signing by @noble/ed25519, verified by libsodium, which is 27 times faster at it.
import { createHash, randomBytes } from "node:crypto";
import { link, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { getPublicKey, hashes, sign as nobleSign } from "@noble/ed25519";
import sodium from "sodium-native";
import { checkBytes, checkText, isObject, wrongType } from "../util/arguments.ts";
import { equalBytes } from "../util/bytes.ts";
import { DswarmError } from "../util/errors.ts";
import { ioMessageOf } from "../util/io-error.ts";
import { makeDirectory } from "../util/make-directory.ts";
import { readSmallFile } from "../util/small-file.ts";
import { syncDirectory } from "../util/sync-directory.ts";
import { NodeId } from "./node-id.ts";

// 64 hex digits and a newline need 65; what is far beyond that is not read at all.
const maxKeyFileBytes = 1024;

hashes.sha512 = (message) => new Uint8Array(createHash("sha512").update(message).digest());

/** A node's key pair. */
export interface KeyPair {
  /** The public half. */
  readonly id: NodeId;
  /** 64 bytes: the 32-byte seed, then the 32-byte public key (libsodium's form). Secret. */
  readonly secretKey: Uint8Array;
}

/** @throws TypeError for what is no key pair; RangeError for one whose halves do not belong together */
export function checkKeyPair(name: string, value: unknown): void {
  if (!isObject(value)) throw wrongType(name, "a KeyPair", value);
  const { id, secretKey } = value;
  if (!(id instanceof NodeId)) throw wrongType(`${name}.id`, "a NodeId", id);
  checkBytes(`${name}.secretKey`, secretKey);
  if (!(secretKey instanceof Uint8Array) || secretKey.length !== 64 || !equalBytes(secretKey.subarray(32), id.bytes)) {
    throw new RangeError(`${name}.secretKey: not the 64 bytes of a seed and the public key of ${name}.id`);
  }
}

/** A new random key pair. */
export function generateKeyPair(): KeyPair {
  return keyPairFromSeed(randomBytes(32));
}

/**
 * The key pair of a seed.
 * @param seed 32 bytes, secret; copied
 * @throws RangeError for another length, TypeError for what is no bytes
 */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  checkBytes("seed", seed);
  if (seed.length !== 32) throw new RangeError(`a seed has 32 bytes, not ${seed.length}`);
  const publicKey = getPublicKey(seed);
  const secretKey = new Uint8Array(64);
  secretKey.set(seed);
  secretKey.set(publicKey, 32);
  return { id: NodeId.fromBytes(publicKey), secretKey };
}

/** Signs a message. Returns 64 bytes. Deterministic. */
export function sign(message: Uint8Array, keys: KeyPair): Uint8Array {
  return nobleSign(message, keys.secretKey.subarray(0, 32));
}

/**
 * Whether a signature is the key's over the message. Strict: refuses small-order and non-canonical keys and
 * non-canonical signatures.
 * @param signature 64 bytes; another length is false
 */
export function verify(signature: Uint8Array, message: Uint8Array, id: NodeId): boolean {
  return signature.length === 64 && sodium.crypto_sign_verify_detached(signature, message, id.bytes);
}

/**
 * Reads the key of a key file (64 hex digits of the seed and a newline); makes both when the file is missing.
 * The file has mode 0600, the directory that is made for it 0700. It must belong to the user that runs the process. When two processes make it at once, both get the same key.
 * @throws DswarmError `key_file_invalid` when it cannot be read or written, holds something else, or is open to others
 */
export async function loadOrCreateKeyFile(path: string): Promise<KeyPair> {
  checkText("path", path);
  try {
    return readKeyFile(path) ?? (await createKeyFile(path));
  } catch (error) {
    if (error instanceof DswarmError) throw error;
    throw new DswarmError("key_file_invalid", ioMessageOf(error), { cause: error });
  }
}

function readKeyFile(path: string): KeyPair | undefined {
  const text = readSmallFile(path, { maxBytes: maxKeyFileBytes, isSecret: true });
  if (text === undefined) return undefined;
  if (!/^[0-9a-f]{64}\n?$/.test(text)) {
    throw new DswarmError(
      "key_file_invalid",
      `${path} does not hold 64 lower-case hex digits; move it away to get a new key`,
    );
  }
  return keyPairFromSeed(Buffer.from(text.trim(), "hex"));
}

async function createKeyFile(path: string): Promise<KeyPair> {
  const keys = generateKeyPair();
  await makeDirectory(dirname(path), 0o700);
  // Written whole under another name first: a crash, or a second process, never leaves or sees half a key.
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      // Whatever the umask is.
      await file.chmod(0o600);
      await file.writeFile(`${Buffer.from(keys.secretKey.subarray(0, 32)).toString("hex")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
    await syncDirectory(dirname(path));
    return keys;
  } catch (error) {
    const other = error instanceof Error && "code" in error && error.code === "EEXIST" && readKeyFile(path);
    if (other) return other;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}
