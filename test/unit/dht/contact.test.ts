import assert from "node:assert/strict";
import { test } from "node:test";
import { contactFromMessage, contactToMessage } from "../../../src/dht/contact.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";

const { id } = generateKeyPair();
const message = (addresses: string[], bytes: Uint8Array = id.bytes) => contactFromMessage({ id: bytes, addresses });

test("a contact comes back as it was told", () => {
  const addresses = [
    { host: "127.0.0.1", port: 1 },
    { host: "::1", port: 65_535 },
  ];
  const told = contactToMessage({ id, addresses });
  assert.deepEqual(told.addresses, ["127.0.0.1:1", "[::1]:65535"]);
  const heard = message(told.addresses ?? []);
  assert.ok(heard !== undefined && heard.id.equals(id));
  assert.deepEqual(heard.addresses, addresses);
});

test("of more addresses than there is room for, and of too long ones, the best are told", () => {
  const hosts = ["a".repeat(62), "b", "c", "d", "e", "f"];
  const told = contactToMessage({ id, addresses: hosts.map((host) => ({ host, port: 4000 })) });
  assert.deepEqual(told.addresses, ["b:4000", "c:4000", "d:4000", "e:4000"]);
});

test("what a peer says of a contact is refused where it breaks a rule", () => {
  assert.ok(message(["h:1", "h:2", "h:3", "h:4"]));
  assert.ok(message([`${"a".repeat(62)}:1`]));
  for (const addresses of [
    [],
    ["h:1", "h:2", "h:3", "h:4", "h:5"],
    ["h"],
    ["h:0"],
    ["h:65536"],
    ["h:1", ""],
    [`${"a".repeat(62)}:10`],
    ["999.1.1.1:1"],
  ]) {
    assert.equal(message(addresses), undefined, JSON.stringify(addresses));
  }
  for (const bytes of [new Uint8Array(), new Uint8Array(32), new Uint8Array(31).fill(9), new Uint8Array(33).fill(9)]) {
    assert.equal(message(["h:1"], bytes), undefined);
  }
});
