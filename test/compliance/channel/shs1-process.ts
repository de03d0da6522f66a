#!/usr/bin/env node
// One Secret Handshake over stdin and stdout, as npm shs1-test runs it against an implementation.
//
//   listener: shs1-process.ts NETWORK_KEY SECRET_KEY PUBLIC_KEY      dialer: shs1-process.ts NETWORK_KEY REMOTE_KEY
//
// All in hex. After the handshake it writes the two keys and nonces and ends; after a fault it ends with status 1.
import { randomBytes } from "node:crypto";
import { Handshake, type HandshakeStep } from "../../../src/channel/handshake.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";

const [networkKey, key, publicKey] = process.argv.slice(2).map((hex) => Buffer.from(hex, "hex"));
if (networkKey === undefined || key === undefined) throw new Error("arguments are missing");
const shared = { networkKey, seed: randomBytes(32) };
const handshake =
  publicKey === undefined
    ? Handshake.dialer({ ...shared, keys: generateKeyPair(), remoteId: NodeId.fromBytes(key) })
    : Handshake.listener({ ...shared, keys: { id: NodeId.fromBytes(publicKey), secretKey: key } });

function carryOut({ send, outcome }: HandshakeStep): void {
  if (send !== undefined) process.stdout.write(send);
  if (outcome === undefined) return;
  const { encryptKey, encryptNonce, decryptKey, decryptNonce } = outcome;
  process.stdout.write(Buffer.concat([encryptKey, encryptNonce, decryptKey, decryptNonce]));
}

process.stdin.on("data", (bytes: Buffer) => {
  try {
    carryOut(handshake.push(bytes));
  } catch {
    process.exit(1);
  }
});
carryOut(handshake.start());
