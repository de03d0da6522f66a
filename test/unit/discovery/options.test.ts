import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { discoveryDefaults, resolveDiscoveryOptions } from "../../../src/discovery/options.ts";

describe("resolveDiscoveryOptions", () => {
  it("fills in the defaults, and freezes", () => {
    const config = resolveDiscoveryOptions();
    assert.deepEqual(config, discoveryDefaults);
    assert.ok(Object.isFrozen(config));
  });

  it("keeps what is given", () => {
    const given = {
      group: "239.1.2.3",
      udpPort: 1,
      host: "eth0",
      intervalMs: 20,
      expiryIntervals: 2,
      maxPacketsPerSecond: 1,
      maxPeers: 1,
      maxNewPerSecond: 1,
      rescanMs: 20,
    };
    assert.deepEqual(resolveDiscoveryOptions(given), given);
  });

  it("refuses numbers out of range, by name", () => {
    for (const [name, value] of [
      ["udpPort", 0],
      ["udpPort", 65_536],
      ["udpPort", 1.5],
      ["intervalMs", 19],
      ["intervalMs", Number.NaN],
      ["expiryIntervals", 1.9],
      ["maxPacketsPerSecond", 0],
      ["maxPeers", 0],
      ["maxPeers", 1.5],
      ["maxNewPerSecond", 0],
      ["rescanMs", 0],
    ] as const) {
      assert.throws(() => resolveDiscoveryOptions({ [name]: value }), {
        name: "RangeError",
        message: new RegExp(name),
      });
    }
  });

  it("refuses a group that is no IPv4 multicast address", () => {
    for (const group of ["", "192.0.2.1", "ff02::1", "239.255.255"]) {
      assert.throws(() => resolveDiscoveryOptions({ group }), TypeError, group);
    }
  });

  it("refuses an empty host", () => {
    assert.throws(() => resolveDiscoveryOptions({ host: "" }), TypeError);
  });
});
