import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SourceLimits } from "../../../src/discovery/source-limits.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

function granted(limits: SourceLimits, sources: Iterable<{ address: string; port: number }>): number {
  let count = 0;
  for (const source of sources) if (limits.take(source)) count += 1;
  return count;
}

const loopback = { address: "127.0.0.1", port: 25_519 };

function* repeat(count: number, source: (i: number) => { address: string; port: number }) {
  for (let i = 0; i < count; i++) yield source(i);
}

describe("SourceLimits", () => {
  it("give one source port ten seconds' worth at once, then its rate", async () => {
    const clock = new VirtualClock();
    const limits = new SourceLimits(clock, 100);
    assert.equal(
      granted(
        limits,
        repeat(5000, () => loopback),
      ),
      1000,
    );
    await clock.advance(3000);
    assert.equal(
      granted(
        limits,
        repeat(5000, () => loopback),
      ),
      300,
    );
  });

  it("bound one address over all its ports, which a flood from one port does not use up", () => {
    const limits = new SourceLimits(new VirtualClock(), 100);
    granted(
      limits,
      repeat(5000, () => ({ address: "192.0.2.1", port: 1 })),
    );
    assert.equal(
      granted(
        limits,
        repeat(9000, (i) => ({ address: "192.0.2.1", port: 2 + i })),
      ),
      3000,
    );
    assert.ok(limits.take({ address: "192.0.2.2", port: 1 }));
  });

  it("bound all addresses together", () => {
    const limits = new SourceLimits(new VirtualClock(), 100);
    const spread = repeat(20_000, (i) => ({ address: `10.0.${i >> 8}.${i & 255}`, port: 1 }));
    assert.equal(granted(limits, spread), 8000);
  });
});
