import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { TurnQueue, type Worker } from "../../../src/util/turn-queue.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

/** Time that passes as work is done. */
class WorkClock extends VirtualClock {
  workedMs = 0;

  override now(): number {
    return super.now() + this.workedMs;
  }
}

/** Does `slices` slices of `sliceMs` each, and notes its name for each. */
function worker(clock: WorkClock, log: string[], name: string, slices: number, sliceMs: number): Worker {
  let left = slices;
  const self = {
    takeTurn(): void {
      log.push(name);
      clock.workedMs += sliceMs;
      left -= 1;
      if (left > 0) TurnQueue.of(clock).wait(self);
    },
  };
  return self;
}

suite("the turn queue", () => {
  test("gives those that wait a slice each, in turn, however much one has", () => {
    const clock = new WorkClock();
    const log: string[] = [];
    const queue = TurnQueue.of(clock);
    queue.wait(worker(clock, log, "a", 4, 0));
    queue.wait(worker(clock, log, "b", 1, 0));
    queue.wait(worker(clock, log, "c", 2, 0));
    assert.deepEqual(log, []);
    assert.equal(clock.step(), true);
    assert.deepEqual(log, ["a", "b", "c"]);
    while (clock.step());
    assert.deepEqual(log, ["a", "b", "c", "a", "c", "a", "a"]);
  });

  test("ends a turn after a few milliseconds, and goes on with the next worker", () => {
    const clock = new WorkClock();
    const log: string[] = [];
    for (const name of ["a", "b", "c", "d"]) TurnQueue.of(clock).wait(worker(clock, log, name, 2, 2));
    const turns: string[] = [];
    while (clock.step()) turns.push(log.splice(0).join(""));
    assert.deepEqual(turns, ["ab", "cd", "ab", "cd"]);
  });

  test("gives no turn to a worker that has left", () => {
    const clock = new WorkClock();
    const log: string[] = [];
    const gone = worker(clock, log, "gone", 1, 0);
    TurnQueue.of(clock).wait(gone);
    TurnQueue.of(clock).wait(worker(clock, log, "there", 1, 0));
    TurnQueue.of(clock).leave(gone);
    while (clock.step());
    assert.deepEqual(log, ["there"]);
  });

  test("has no time for work that does not wait once a turn has spent it, until the next turn", () => {
    const clock = new WorkClock();
    const queue = TurnQueue.of(clock);
    assert.equal(queue.hasTime, true);
    for (let i = 0; i < 8; i++) queue.spend(0.5);
    assert.equal(queue.hasTime, false);
    assert.equal(clock.step(), true);
    assert.equal(queue.hasTime, true);
    assert.equal(clock.step(), false);
  });

  test("is one for all on a clock", () => {
    const clock = new WorkClock();
    assert.equal(TurnQueue.of(clock), TurnQueue.of(clock));
    assert.notEqual(TurnQueue.of(clock), TurnQueue.of(new WorkClock()));
  });
});
