// The key of a signed value, as docs/protocol.md has it: the first 32 bytes of SHA-512 over a domain, the signer and the salt.
import { bytesOf } from "./id-space.ts";

const domain = "dswarm-mutable-key-v1\0";

/**
 * The key of the value that a node signs under a salt, "&" and base64.
 * @param signer the node's id in text form
 * @throws Error for a text that is no id
 */
export async function signedKey(signer: string, salt: string): Promise<string> {
  const id = bytesOf(signer);
  if (id === undefined) throw new Error("A node's id is 32 bytes: base64 after “@”, base64url, or 64 hex digits.");
  const encoder = new TextEncoder();
  const signed = new Uint8Array([...encoder.encode(domain), ...id, ...encoder.encode(salt)]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", signed)).subarray(0, 32);
  return `&${btoa(String.fromCharCode(...digest))}`;
}
