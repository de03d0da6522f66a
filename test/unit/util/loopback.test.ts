import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback } from "../../../src/util/loopback.ts";

test("only 127.0.0.0/8 and ::1 are loopback, also as IPv4-mapped addresses", () => {
  for (const address of ["127.0.0.1", "127.255.3.4", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1"]) {
    assert.equal(isLoopback(address), true, address);
  }
  const others = [
    "128.0.0.1",
    "126.255.255.255",
    "0.0.0.0",
    "10.0.0.1",
    "192.168.127.1",
    "::",
    "::2",
    "::ffff:8.8.8.8",
  ];
  for (const text of [...others, "fe80::1", "fe80::1%eth0", "localhost", "127.0.0.1.example", "", undefined]) {
    assert.equal(isLoopback(text), false, text);
  }
});
