import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeInterfaces, findInterfaces, type InterfaceTable } from "../../../src/discovery/interfaces.ts";

function ipv4(address: string, internal = false): NonNullable<InterfaceTable[string]>[number] {
  return {
    address,
    netmask: "255.255.255.0",
    family: "IPv4",
    mac: "00:00:00:00:00:00",
    internal,
    cidr: `${address}/24`,
  };
}

const table: InterfaceTable = {
  lo: [ipv4("127.0.0.1", true)],
  eth0: [{ ...ipv4("fe80::1"), family: "IPv6", scopeid: 2 }, ipv4("192.0.2.1"), ipv4("192.0.2.2")],
  tun0: [{ ...ipv4("fe80::2"), family: "IPv6", scopeid: 3 }],
};

function addressesFor(host: string): string[] {
  return findInterfaces(host, table).map(({ address }) => address);
}

describe("findInterfaces", () => {
  it("finds loopback by any of its addresses", () => {
    assert.deepEqual(findInterfaces("127.0.0.1", table), [{ name: "lo", address: "127.0.0.1", loopback: true }]);
    for (const host of ["127.9.9.9", "::1"]) assert.deepEqual(addressesFor(host), ["127.0.0.1"]);
  });

  it("finds an interface by name, with its first IPv4 address", () => {
    assert.deepEqual(addressesFor("eth0"), ["192.0.2.1"]);
    assert.deepEqual(addressesFor("lo"), ["127.0.0.1"]);
  });

  it("finds an interface by any of its IPv4 addresses", () => {
    assert.deepEqual(addressesFor("192.0.2.2"), ["192.0.2.2"]);
  });

  it("finds all that have an IPv4 address, each once", () => {
    assert.deepEqual(addressesFor("0.0.0.0"), ["127.0.0.1", "192.0.2.1"]);
  });

  it("finds nothing by unknown names and addresses, and none without IPv4", () => {
    for (const host of ["eth1", "192.0.2.3", "tun0", "fe80::1"]) assert.deepEqual(addressesFor(host), [], host);
  });
});

describe("describeInterfaces", () => {
  it("lists names and addresses", () => {
    assert.equal(describeInterfaces(table), "lo (127.0.0.1), eth0 (192.0.2.1), eth0 (192.0.2.2)");
    assert.equal(describeInterfaces({}), "none");
  });
});
