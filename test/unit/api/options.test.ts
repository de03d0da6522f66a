import assert from "node:assert/strict";
import { test } from "node:test";
import { apiDefaults, resolveApiOptions } from "../../../src/api/options.ts";

test("fills in the defaults", () => {
  const { maxBodyBytes, requestsPerSecond, requestBurst, token, hosts } = resolveApiOptions({ services: [] });
  assert.deepEqual({ maxBodyBytes, requestsPerSecond, requestBurst }, apiDefaults);
  assert.equal(token, undefined);
  assert.deepEqual(hosts, []);
});

test("refuses values out of range", () => {
  for (const maxBodyBytes of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
    assert.throws(() => resolveApiOptions({ services: [], maxBodyBytes }), RangeError);
  }
  for (const requestsPerSecond of [0, -1, Number.NaN, Infinity]) {
    assert.throws(() => resolveApiOptions({ services: [], requestsPerSecond }), RangeError);
  }
  for (const requestBurst of [0, 0.5, Number.NaN, Infinity]) {
    assert.throws(() => resolveApiOptions({ services: [], requestBurst }), RangeError);
  }
});

test("refuses tokens that are short or cannot be sent, and hosts that are none", () => {
  for (const token of ["", "short", "x".repeat(15), `${"x".repeat(16)} `, `${"x".repeat(16)}é`, `=${"x".repeat(16)}`]) {
    assert.throws(() => resolveApiOptions({ services: [], token }), TypeError);
  }
  resolveApiOptions({ services: [], token: "c29tZSBzZWNyZXQgdG9rZW4=" });
  for (const host of ["", "a:80", "http://a", "a/b", "[::1"]) {
    assert.throws(() => resolveApiOptions({ services: [], hosts: [host] }), TypeError);
  }
  resolveApiOptions({ services: [], hosts: ["box.example", "fd00::1", "10.0.0.1"] });
});
