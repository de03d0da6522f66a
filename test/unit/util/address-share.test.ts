import assert from "node:assert/strict";
import { test } from "node:test";
import { addressShare } from "../../../src/util/address-share.ts";

test("an IPv4 address counts as itself, mapped to IPv6 or not", () => {
  assert.equal(addressShare("192.0.2.7"), "192.0.2.7");
  assert.equal(addressShare("::ffff:192.0.2.7"), "192.0.2.7");
  assert.equal(addressShare("::FFFF:192.0.2.7"), "192.0.2.7");
});

test("an IPv6 address counts as its /64, however it is written", () => {
  for (const address of ["2001:db8:1:2::1", "2001:0db8:1:2:ffff:1:2:3", "2001:db8:1:2:3::", "2001:DB8:1:2::%eth0"]) {
    assert.equal(addressShare(address), "2001:db8:1:2::/64");
  }
  assert.notEqual(addressShare("2001:db8:1:3::1"), addressShare("2001:db8:1:2::1"));
  assert.equal(addressShare("::1"), "0:0:0:0::/64");
  assert.equal(addressShare("fe80::1%eth0"), "fe80:0:0:0::/64");
});

test("any other text counts as itself", () => {
  assert.equal(addressShare(""), "");
  assert.equal(addressShare("nowhere"), "nowhere");
});
