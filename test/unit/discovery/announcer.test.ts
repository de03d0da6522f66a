import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Announcer } from "../../../src/discovery/announcer.ts";
import { type DiscoveryOptions, resolveDiscoveryOptions } from "../../../src/discovery/options.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

class Rig {
  readonly clock: VirtualClock;
  readonly times: number[] = [];
  readonly announcer: Announcer;
  swarmSize = 1;

  constructor(options: DiscoveryOptions = {}, clock = new VirtualClock()) {
    this.clock = clock;
    const announce = (): void => void this.times.push(clock.now());
    this.announcer = new Announcer(resolveDiscoveryOptions(options), clock, () => this.swarmSize, announce);
  }

  gaps(): number[] {
    return this.times.slice(1).map((time, i) => time - (this.times[i] ?? 0));
  }
}

function assertAbout(actual: number | undefined, expected: number): void {
  assert.ok(actual !== undefined && actual >= expected * 0.8 && actual <= expected * 1.2, `${actual}, not ${expected}`);
}

describe("Announcer", () => {
  it("announces at once, three times soon after, then at each interval, spread by 20 %", async () => {
    const rig = new Rig();
    rig.announcer.announceNow();
    await rig.clock.advance(200_000);
    rig.announcer.close();
    const [first, second, third, ...rest] = rig.gaps();
    assert.equal(rig.times[0], 0);
    assertAbout(first, 250);
    assertAbout(second, 500);
    assertAbout(third, 1000);
    for (const gap of rest) assertAbout(gap, 5000);
    assert.ok(new Set(rest).size > 10, "the gaps differ");
  });

  it("is never slower at the start than its interval", async () => {
    const rig = new Rig({ intervalMs: 100 });
    rig.announcer.announceNow();
    await rig.clock.advance(1000);
    rig.announcer.close();
    for (const gap of rig.gaps()) assertAbout(gap, 100);
  });

  it("slows down with the swarm, also at the start", async () => {
    const rig = new Rig();
    rig.swarmSize = 1000;
    rig.announcer.announceNow();
    await rig.clock.advance(200_000);
    rig.announcer.close();
    for (const gap of rig.gaps()) assertAbout(gap, 20_000);
  });

  it("brings the next announce forward for newcomers, once for many", async () => {
    const rig = new Rig();
    rig.announcer.announceNow();
    await rig.clock.advance(10_000);
    const before = rig.times.length;
    for (let i = 0; i < 20; i++) rig.announcer.hurry();
    await rig.clock.advance(400);
    assert.equal(rig.times.length, before + 1);
    for (let i = 0; i < 20; i++) rig.announcer.hurry();
    await rig.clock.advance(400);
    assert.equal(rig.times.length, before + 2);
    assert.ok((rig.gaps().at(-1) ?? 0) >= 200);
    rig.announcer.close();
  });

  it("never puts an announce off for newcomers", async () => {
    const rig = new Rig({ intervalMs: 100 });
    rig.announcer.announceNow();
    const stop = everyMs(rig.clock, 10, () => rig.announcer.hurry());
    await rig.clock.advance(2000);
    stop();
    rig.announcer.close();
    for (const gap of rig.gaps()) assert.ok(gap <= 120, `${gap}`);
  });

  it("keeps a swarm that hears newcomers all the time to its packets per second", async () => {
    const clock = new VirtualClock();
    const rigs = Array.from({ length: 200 }, () => new Rig({}, clock));
    for (const rig of rigs) {
      rig.swarmSize = rigs.length;
      rig.announcer.announceNow();
    }
    const stop = everyMs(clock, 100, () => rigs.forEach((rig) => rig.announcer.hurry()));
    await clock.advance(60_000);
    stop();
    const sent = rigs.flatMap((rig) => rig.times).filter((time) => time > 0).length;
    assert.ok(sent <= 60 * 50, `${sent} in a minute`);
    for (const rig of rigs) rig.announcer.close();
  });

  it("is silent once closed", async () => {
    const rig = new Rig();
    rig.announcer.announceNow();
    rig.announcer.hurry();
    rig.announcer.close();
    rig.announcer.hurry();
    rig.announcer.announceNow();
    assert.equal(rig.clock.step(), false);
    assert.equal(rig.times.length, 1);
  });
});

function everyMs(clock: VirtualClock, periodMs: number, action: () => void): () => void {
  let cancel: (() => void) | undefined;
  const again = (): void => {
    action();
    cancel = clock.setTimeout(again, periodMs);
  };
  again();
  return () => cancel?.();
}
