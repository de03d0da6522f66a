import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import { DialGovernor, type DialPermit, type Standing } from "../../../src/node/dial-governor.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const [alice, bob] = [generateKeyPair().id, generateKeyPair().id];
const bystander = { host: "127.0.0.1", port: 9 };
const unreachable = new DswarmError("unreachable");

class Rig {
  readonly clock = new VirtualClock(3);
  readonly governor: DialGovernor;
  held: NodeId | undefined;

  constructor({ perSecond = 32, perMachinePerSecond = 32 } = {}) {
    this.governor = new DialGovernor({
      clock: this.clock,
      perSecond,
      perMachinePerSecond,
      isHeld: (key) => key === this.held?.toString(),
      isConnected: (key) => key === this.held?.toString(),
      listAddresses: () => ["192.0.2.1", "127.0.0.1"],
    });
  }

  admit(id: NodeId, standing: Standing, address = bystander): DialPermit | undefined {
    const permit = this.governor.admit(id, address, standing);
    return "refusal" in permit ? undefined : permit;
  }

  reason(id: NodeId, standing: Standing, address = bystander): string {
    const permit = this.governor.admit(id, address, standing);
    if (!("refusal" in permit)) {
      permit.ended();
      return "admitted";
    }
    return permit.refusal instanceof DswarmError ? permit.refusal.code : "other";
  }
}

describe("DialGovernor", () => {
  it("lets a thousand keys that name one port make at most 20 dials in a minute, calls of the owner among them", async () => {
    const rig = new Rig();
    const keys = Array.from({ length: 1000 }, () => generateKeyPair().id);
    const hosts = ["127.0.0.1", "127.0.0.2", "::1", "192.0.2.1"];
    let dials = 0;
    for (let ms = 0; ms < 60_000; ms += 50) {
      for (const [i, id] of keys.entries()) {
        if (i % 50 !== (ms / 50) % 50) continue;
        const address = { host: hosts[i % 4] ?? "", port: 9 };
        for (const standing of ["claim", "call"] as const) {
          const permit = rig.admit(id, standing, address);
          if (permit === undefined) continue;
          dials += 1;
          permit.failed(unreachable);
        }
      }
      await rig.clock.advance(50);
    }
    assert.ok(dials >= 10 && dials <= 20, `${dials} dials`);
  });

  it("makes one dial at a time on claims of an endpoint, and pauses it whatever key is named", async () => {
    const rig = new Rig();
    const first = rig.admit(alice, "claim");
    assert.equal(rig.reason(bob, "claim"), "dial_limited");
    first?.failed(unreachable);
    assert.equal(rig.reason(bob, "claim"), "unreachable");
    await rig.clock.advance(600);
    assert.equal(rig.reason(bob, "claim"), "admitted");
  });

  it("believes an endpoint for the key that is connected there, and dials no other key", () => {
    const rig = new Rig();
    rig.admit(alice, "claim")?.proven();
    rig.held = alice;
    assert.ok(rig.governor.isProven(alice, bystander));
    assert.equal(rig.reason(bob, "claim"), "authentication_failed");
    assert.equal(rig.reason(bob, "call"), "authentication_failed");
    assert.equal(rig.governor.readiness(bob, bystander), "later");
    assert.equal(rig.reason(bob, "owner"), "admitted", "the owner knows better");
    rig.held = undefined;
    rig.admit(bob, "claim")?.proven();
    assert.deepEqual([rig.governor.isProven(alice, bystander), rig.governor.isProven(bob, bystander)], [false, true]);
  });

  it("starves neither the owner nor a proven key by the claims of strangers", async () => {
    const rig = new Rig({ perSecond: 1, perMachinePerSecond: 1 });
    rig.admit(alice, "claim")?.proven();
    for (let i = 0; i < 100; i++) rig.admit(bob, "claim", { host: "127.0.0.1", port: 1000 + i })?.failed(unreachable);
    rig.admit(bob, "claim")?.failed(unreachable);
    assert.equal(rig.reason(bob, "claim", { host: "127.0.0.1", port: 5000 }), "dial_limited");
    assert.equal(rig.reason(alice, "proven"), "admitted");
    assert.equal(rig.reason(bob, "owner"), "admitted");
    rig.held = bob;
    assert.equal(rig.reason(bob, "claim", { host: "127.0.0.1", port: 5000 }), "admitted", "it is connected");
    rig.held = undefined;
    assert.equal(rig.reason(bob, "call"), "admitted");
  });

  it("bounds failing dials on claims to one machine, and to all", async () => {
    const rig = new Rig({ perSecond: 10, perMachinePerSecond: 2 });
    const tried = (host: string): number => {
      let count = 0;
      for (let port = 1; port <= 500; port++) {
        const permit = rig.admit(generateKeyPair().id, "claim", { host, port });
        if (permit === undefined) continue;
        count += 1;
        permit.failed(unreachable);
      }
      return count;
    };
    assert.deepEqual([tried("192.0.2.7"), tried("192.0.2.8")], [32, 32]);
    for (let i = 10; i < 20; i++) tried(`192.0.2.${i}`);
    assert.equal(tried("192.0.2.77"), 0);
    await rig.clock.advance(1000);
    assert.equal(tried("192.0.2.77"), 10);
  });

  it("takes no rate for dials that prove what was claimed", () => {
    const rig = new Rig({ perSecond: 1, perMachinePerSecond: 1 });
    for (let port = 1; port <= 1000; port++) {
      const permit = rig.admit(generateKeyPair().id, "claim", { host: "127.0.0.1", port });
      assert.ok(permit);
      permit.proven();
    }
  });

  it("lets one more dial be made on news of a key that was proven there, and on none else's", async () => {
    const rig = new Rig();
    rig.admit(alice, "claim")?.proven();
    for (let i = 0; i < 3; i++) {
      rig.admit(alice, "proven")?.failed(unreachable);
      await rig.clock.advance(1000);
    }
    assert.ok(!rig.governor.isProven(alice, bystander), "after three failures it is a claim again");
    rig.governor.news(bob, bystander);
    rig.admit(bob, "claim")?.failed(unreachable);
    rig.governor.news(bob, bystander);
    assert.equal(rig.reason(bob, "claim"), "unreachable");
    rig.governor.news(alice, bystander);
    assert.ok(rig.governor.isProven(alice, bystander));
    rig.admit(alice, "proven")?.failed(unreachable);
    rig.governor.news(alice, bystander);
    assert.ok(!rig.governor.isProven(alice, bystander), "once in 30 seconds");
    await rig.clock.advance(30_000);
    rig.governor.news(alice, bystander);
    assert.ok(rig.governor.isProven(alice, bystander));
  });

  it("holds no more than 32 dials on claims to a machine at once", () => {
    const rig = new Rig();
    const permits = Array.from({ length: 40 }, (_, i) => rig.admit(bob, "claim", { host: "192.0.2.9", port: 1 + i }));
    assert.equal(permits.filter((permit) => permit !== undefined).length, 32);
    permits[0]?.ended();
    assert.ok(rig.admit(bob, "claim", { host: "192.0.2.9", port: 99 }));
  });

  it("says when a claim may be dialed: now, soon where limits are used up, later where the endpoint has a pause", async () => {
    const rig = new Rig({ perSecond: 1, perMachinePerSecond: 1 });
    const other = { ...bystander, port: 10 };
    assert.equal(rig.governor.readiness(alice, bystander), "now");
    const permit = rig.admit(alice, "claim");
    assert.equal(rig.governor.readiness(bob, bystander), "later", "it is being dialed");
    permit?.failed(unreachable);
    assert.equal(rig.governor.readiness(alice, bystander), "later");
    assert.equal(rig.governor.readiness(alice, other), "now");
    for (let port = 100; port < 115; port++) rig.admit(bob, "claim", { ...bystander, port })?.failed(unreachable);
    assert.equal(rig.governor.readiness(alice, other), "soon");
    rig.held = alice;
    assert.equal(rig.governor.readiness(alice, other), "now", "it is connected");
    rig.held = undefined;
    await rig.clock.advance(1100);
    assert.equal(rig.governor.readiness(alice, other), "now");
  });

  it("keeps claims of connected keys out of the reach of dials on other claims that hang", () => {
    const rig = new Rig();
    for (let port = 1; port <= 40; port++) rig.admit(bob, "claim", { host: "127.0.0.1", port: 1000 + port });
    assert.equal(rig.reason(alice, "claim"), "dial_limited");
    rig.held = alice;
    assert.equal(rig.reason(alice, "claim"), "admitted");
  });
});
