// How the client finds the server: the suite hands on the port, the key is agreed here.
import { createHash } from "node:crypto";
import { formatPeerAddress, keyPairFromSeed } from "../../src/index.ts";

/** The key of every server that the suite starts. */
export const serverKeys = keyPairFromSeed(
  createHash("sha256").update("dswarm under Connect's conformance suite").digest(),
);

/** Settings of both ends: no discovery, and a network of their own. */
export const nodeOptions = { network: "conformance", discovery: false } as const;

/** The server's address, by the port that it told the suite. */
export function serverAddress(port: number): string {
  return formatPeerAddress({ id: serverKeys.id, host: "127.0.0.1", port });
}
