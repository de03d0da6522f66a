import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { bindAddress, reachableAddresses } from "../../../src/node/interfaces.ts";

test("an IPv4 address is bound as it is, a name by its address", () => {
  for (const address of ["127.0.0.1", "0.0.0.0", "192.0.2.1"]) assert.equal(bindAddress(address), address);
  assert.equal(bindAddress("localhost"), "127.0.0.1");
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    const ipv4 = addresses.find(({ family }) => family === "IPv4");
    if (ipv4 !== undefined) assert.equal(bindAddress(name), ipv4.address);
  }
});

test("an unknown interface is refused, naming those that there are", () => {
  for (const host of ["nosuch0", "256.0.0.1", "::2", "constructor"]) {
    assert.throws(() => bindAddress(host), { code: "interface_unknown", message: /; there are / });
  }
});

test("a port bound to all addresses is reached at each, those of other machines' reach first", () => {
  assert.deepEqual(reachableAddresses("192.0.2.1"), ["192.0.2.1"]);
  const addresses = reachableAddresses("0.0.0.0");
  assert.equal(addresses.at(-1), "127.0.0.1");
  const outer = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address),
  );
  assert.deepEqual(addresses, [...outer, "127.0.0.1"]);
});
