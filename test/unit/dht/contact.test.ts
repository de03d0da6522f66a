import assert from "node:assert/strict";
import { test } from "node:test";
import { contactFromMessage, contactToMessage } from "../../../src/dht/contact.ts";
import { hostGroup } from "../../../src/dht/contact-host.ts";
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

test("a message that is passed on as it is, is heard as the contact that was told, unless peers would make another of it", () => {
  const plain = { id, addresses: [{ host: "10.0.0.1", port: 1 }] };
  assert.equal(contactFromMessage(contactToMessage(plain)), plain);
  for (const hosts of [["FD00::1"], ["10.0.0.1", "10.0.0.1"], ["::ffff:10.0.0.1"], ["a-name", "10.0.0.1"]]) {
    const told = contactToMessage({ id, addresses: hosts.map((host) => ({ host, port: 1 })) });
    assert.deepEqual(contactFromMessage(told), message(told.addresses), hosts.join());
  }
  assert.equal(contactFromMessage(contactToMessage({ id, addresses: [{ host: "a-name", port: 1 }] })), undefined);
});

test("of more addresses than there is room for, the best are told, and none that peers would not take", () => {
  const hosts = ["a-name", "0.0.0.0", "::", "10.0.0.1", "10.0.0.2", "fd00::3", "10.0.0.4", "10.0.0.5"];
  const told = contactToMessage({ id, addresses: hosts.map((host) => ({ host, port: 4000 })) });
  assert.deepEqual(told.addresses, ["10.0.0.1:4000", "10.0.0.2:4000", "[fd00::3]:4000", "10.0.0.4:4000"]);
});

test("what a peer says of a contact is refused where it breaks a rule", () => {
  assert.ok(message(["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"]));
  assert.ok(message(["[fd00:1111:2222:3333:4444:5555:6666:7777]:65535"]));
  for (const addresses of [
    [],
    ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4", "10.0.0.1:5"],
    ["10.0.0.1"],
    ["10.0.0.1:0"],
    ["10.0.0.1:65536"],
    ["10.0.0.1:1", ""],
    [`${"a".repeat(62)}:10`],
    ["999.1.1.1:1"],
    // Names.
    ["localhost:1"],
    ["peer.example:1"],
    ["10.0.0.1:1", "peer.example:1"],
    // Of no single machine.
    ["0.0.0.0:1"],
    ["0.1.2.3:1"],
    ["224.0.0.251:1"],
    ["239.255.255.255:1"],
    ["255.255.255.255:1"],
    ["[::]:1"],
    ["[0:0:0:0:0:0:0:0]:1"],
    ["[ff02::fb]:1"],
    ["[::ffff:0.0.0.0]:1"],
    ["[::ffff:e000:fb]:1"],
    ["[fe80::1%eth0]:1"],
  ]) {
    assert.equal(message(addresses), undefined, JSON.stringify(addresses));
  }
  for (const bytes of [new Uint8Array(), new Uint8Array(32), new Uint8Array(31).fill(9), new Uint8Array(33).fill(9)]) {
    assert.equal(message(["10.0.0.1:1"], bytes), undefined);
  }
});

test("an address is taken in one form, and once", () => {
  const heard = message(["10.0.0.1:1", "[::ffff:10.0.0.1]:1", "[FD00:0:0::1]:1", "[fd00::1]:1"]);
  assert.deepEqual(heard?.addresses, [
    { host: "10.0.0.1", port: 1 },
    { host: "fd00::1", port: 1 },
  ]);
  assert.equal(message(["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:1"])?.addresses.length, 2);
});

test("of IPv6 a network of 64 bits counts as one host, of IPv4 an address", () => {
  assert.equal(hostGroup("2001:db8::1"), hostGroup("2001:db8::ffff:1:2:3"));
  assert.equal(hostGroup("2001:db8:0:1::1"), hostGroup("2001:db8:0:1:2:3:4:5"));
  assert.notEqual(hostGroup("2001:db8::1"), hostGroup("2001:db8:0:1::1"));
  assert.equal(hostGroup("1:0:0:2:3:4:5:6"), hostGroup("1:0:0:2:9:9:9:9"));
  assert.equal(hostGroup("::ffff:10.0.0.1"), hostGroup("10.0.0.1"));
  assert.notEqual(hostGroup("10.0.0.1"), hostGroup("10.0.0.2"));
  assert.equal(hostGroup("fe80::1%eth0").split(":").length, 4);
});
