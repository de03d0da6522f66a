// Closing in reverse order, once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lifetime } from "../../../src/util/lifetime.ts";

test("closers run in the reverse order of their adding, each after the one before is done", async () => {
  const lifetime = new Lifetime();
  const events: string[] = [];
  for (const name of ["a", "b", "c"]) {
    lifetime.onClose(async () => {
      events.push(`${name} begins`);
      await new Promise(setImmediate);
      events.push(`${name} done`);
    });
  }
  await lifetime.close();
  assert.deepEqual(events, ["c begins", "c done", "b begins", "b done", "a begins", "a done"]);
});

test("closing again returns the same promise and runs nothing again", async () => {
  const lifetime = new Lifetime();
  let runs = 0;
  lifetime.onClose(() => {
    runs++;
  });
  const closing = lifetime.close();
  assert.equal(lifetime.close(), closing);
  await closing;
  assert.equal(lifetime.close(), closing);
  assert.equal(runs, 1);
});

test("the signal aborts and closed is true from the moment that closing begins", async () => {
  const lifetime = new Lifetime();
  assert.equal(lifetime.closed, false);
  assert.equal(lifetime.signal.aborted, false);
  const seen: boolean[] = [];
  lifetime.onClose(() => {
    seen.push(lifetime.closed, lifetime.signal.aborted);
  });
  const closing = lifetime.close();
  assert.ok(lifetime.closed && lifetime.signal.aborted);
  await closing;
  assert.deepEqual(seen, [true, true]);
});

test("a listener of the signal that closes again gets the same promise", async () => {
  const lifetime = new Lifetime();
  let runs = 0;
  let inner: Promise<void> | undefined;
  lifetime.onClose(() => {
    runs++;
  });
  lifetime.signal.addEventListener("abort", () => {
    assert.ok(lifetime.closed);
    inner = lifetime.close();
  });
  const outer = lifetime.close();
  assert.equal(inner, outer);
  await outer;
  assert.equal(runs, 1);
});

test("a failing closer stops no other; closing rejects with the first error after all have run", async () => {
  const lifetime = new Lifetime();
  const events: string[] = [];
  lifetime.onClose(() => {
    events.push("a");
  });
  lifetime.onClose(() => {
    throw new Error("b fails at once");
  });
  lifetime.onClose(() => Promise.reject(new Error("c fails later")));
  lifetime.onClose(() => {
    events.push("d");
  });
  await assert.rejects(lifetime.close(), /c fails later/);
  assert.deepEqual(events, ["d", "a"]);
});

test("a removed closer does not run, not even when removed while closing", async () => {
  const lifetime = new Lifetime();
  const events: string[] = [];
  const remove = lifetime.onClose(() => {
    events.push("removed before");
  });
  const removeLater = lifetime.onClose(() => {
    events.push("removed while closing");
  });
  lifetime.onClose(() => {
    removeLater();
    events.push("last");
  });
  remove();
  remove();
  await lifetime.close();
  assert.deepEqual(events, ["last"]);
});

test("a closer that is added while closing is awaited too", async () => {
  const lifetime = new Lifetime();
  const events: string[] = [];
  lifetime.onClose(async () => {
    await new Promise(setImmediate);
    lifetime.onClose(async () => {
      await new Promise(setImmediate);
      events.push("added while closing");
    });
  });
  await lifetime.close();
  assert.deepEqual(events, ["added while closing"]);
});

test("a closer that is added after the end runs at once, and its error reaches nobody", async () => {
  const lifetime = new Lifetime();
  await lifetime.close();
  let runs = 0;
  lifetime.onClose(() => {
    runs++;
    throw new Error("late");
  });
  lifetime.onClose(() => Promise.reject(new Error("later")));
  assert.equal(runs, 1);
  await new Promise(setImmediate);
});
