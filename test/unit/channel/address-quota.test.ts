// Caps in all and for one address.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressQuota } from "../../../src/channel/address-quota.ts";

test("a quota has a cap in all and one for each address", () => {
  const quota = new AddressQuota(3, 2);
  assert.ok(quota.take("a"));
  assert.ok(quota.take("a"));
  assert.equal(quota.take("a"), false);
  assert.ok(quota.take("b"));
  assert.equal(quota.take("c"), false);
  assert.equal(quota.count, 3);
  quota.give("a");
  assert.ok(quota.take("c"));
  assert.equal(quota.take("a"), false);
});

test("what was not taken cannot be given back", () => {
  const quota = new AddressQuota(1);
  quota.give("a");
  assert.equal(quota.count, 0);
  assert.ok(quota.take("a"));
  quota.give("b");
  assert.equal(quota.take("b"), false);
});
