import assert from "node:assert/strict";
import { test } from "node:test";
import { signedKey } from "../../../src/dashboard/signed-key.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";

test("the page finds the key of a signed value as the node does", async () => {
  const { id } = generateKeyPair();
  for (const salt of ["", "news", "grüße"]) {
    const key = RecordKey.ofSigner(id, Buffer.from(salt)).toString();
    for (const text of [id.toString(), `@${id.toBase64url()}`, id.toHex(), ` ${id.toString()} `]) {
      assert.equal(await signedKey(text, salt), key);
    }
  }
});

test("the page takes no other text for a signer", async () => {
  for (const text of ["", "@", "@short", `@${"a".repeat(45)}`, `@${"!".repeat(43)}=`]) {
    await assert.rejects(signedKey(text, ""), /A node's id is 32 bytes/);
  }
});
