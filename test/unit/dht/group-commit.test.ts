// Group commit: work runs in order, is written in groups, and what cannot be written never was.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Database, openDatabase } from "../../../src/dht/database.ts";
import { type Changes, GroupCommit } from "../../../src/dht/group-commit.ts";
import { Counters } from "../../../src/util/counters.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const byte = Uint8Array.of(1);

/** A database whose writes wait until they are let through; each resolves with how many operations it has. */
async function gatedDatabase(
  t: TestContext,
): Promise<{ database: Database; gates: PromiseWithResolvers<void>[]; sizes: number[] }> {
  const database = await openDatabase(undefined);
  t.after(() => database.close());
  const gates: PromiseWithResolvers<void>[] = [];
  const sizes: number[] = [];
  t.mock.method(database, "batch", async (operations: readonly unknown[]) => {
    sizes.push(operations.length);
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
  });
  return { database, gates, sizes };
}

function refuse(): never {
  throw new RangeError("no");
}

async function nextGate(gates: PromiseWithResolvers<void>[]): Promise<PromiseWithResolvers<void>> {
  for (;;) {
    const gate = gates.shift();
    if (gate !== undefined) return gate;
    await new Promise(setImmediate);
  }
}

test("work that comes while a group is written is written together, after it", async (t) => {
  const { database, gates, sizes } = await gatedDatabase(t);
  const commits = new GroupCommit(database);
  const done: number[] = [];
  const work = async (n: number): Promise<void> => {
    await commits.run((changes) => changes.put(String(n), byte));
    done.push(n);
  };
  const first = work(0);
  const gate = await nextGate(gates);
  const rest = [work(1), work(2), work(3)];
  assert.deepEqual(done, []);
  gate.resolve();
  await first;
  assert.deepEqual(done, [0]);
  (await nextGate(gates)).resolve();
  await Promise.all(rest);
  assert.deepEqual(done, [0, 1, 2, 3]);
  assert.deepEqual(sizes, [1, 3]);
});

test("a group that cannot be written is undone, the last first, and all in it are told; the next is written", async (t) => {
  const { database, gates } = await gatedDatabase(t);
  const commits = new GroupCommit(database);
  const undone: number[] = [];
  const work =
    (n: number) =>
    (changes: Changes): number => {
      changes.put(String(n), byte);
      changes.onFailure(() => undone.push(n));
      return n;
    };
  const failing = [commits.run(work(1)), commits.run(work(2))];
  const outcomes = Promise.allSettled(failing);
  (await nextGate(gates)).reject(new Error("the disk is full"));
  for (const outcome of await outcomes) {
    assert.ok(outcome.status === "rejected");
    assert.equal(outcome.reason.code, "storage_failed");
  }
  assert.deepEqual(undone, [2, 1]);
  const next = commits.run(work(3));
  (await nextGate(gates)).resolve();
  assert.equal(await next, 3);
  assert.deepEqual(undone, [2, 1]);
});

test("work that throws fails alone", async (t) => {
  const { database, gates, sizes } = await gatedDatabase(t);
  const commits = new GroupCommit(database);
  const outcomes = Promise.allSettled([
    commits.run((c) => c.put("a", byte)),
    commits.run(refuse),
    commits.run((c) => c.del("b")),
  ]);
  (await nextGate(gates)).resolve();
  assert.deepEqual(
    (await outcomes).map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.deepEqual(sizes, [2]);
});

test("work that changes nothing writes nothing", async (t) => {
  const { database, sizes } = await gatedDatabase(t);
  assert.equal(await new GroupCommit(database).run(() => 7), 7);
  assert.deepEqual(sizes, []);
});

test("a group has 4096 operations or 4 MiB at most, and what one piece of work has beyond that", async (t) => {
  const { database, gates, sizes } = await gatedDatabase(t);
  const commits = new GroupCommit(database);
  const small = Array.from({ length: 5000 }, (_, n) => commits.run((changes) => changes.put(String(n), byte)));
  const large = Array.from({ length: 3 }, () =>
    commits.run((changes) => changes.put("x", new Uint8Array(2 * 2 ** 20))),
  );
  for (let groups = 0; groups < 3; groups++) (await nextGate(gates)).resolve();
  await Promise.all([...small, ...large]);
  assert.deepEqual(sizes, [4096, 906, 1]);
});

test("who waits for the work before it does not wait for the work after it", async (t) => {
  const { database, gates } = await gatedDatabase(t);
  const commits = new GroupCommit(database);
  const works: Promise<void>[] = [];
  const put = (): void => void works.push(commits.run((changes) => changes.put("a", byte)));
  put();
  let gate = await nextGate(gates);
  const over = new AbortController();
  const passed = commits.passed().then(() => over.abort());
  let groups = 0;
  for (; !over.signal.aborted && groups < 10; groups++) {
    // One write is always waiting.
    put();
    gate.resolve();
    gate = await nextGate(gates);
  }
  assert.ok(groups <= 2, `${groups} groups`);
  gate.resolve();
  await Promise.all([passed, ...works]);
});

test("closing finishes what was given and refuses what comes after", async (t) => {
  const { database, gates } = await gatedDatabase(t);
  const commits = new GroupCommit(database);
  const given = commits.run((changes) => changes.put("a", byte));
  const closed = commits.close();
  await assert.rejects(
    commits.run(() => 1),
    { code: "storage_failed" },
  );
  (await nextGate(gates)).resolve();
  await Promise.all([given, closed]);
});

test("work beyond what may wait is refused, and taken again when the disk has caught up", async (t) => {
  const { database, gates } = await gatedDatabase(t);
  const counters = new Counters();
  const commits = new GroupCommit(database, { counters, maxWaitingBytes: 10_000 });
  const put = (): Promise<void> => commits.run((changes) => changes.put("a", byte), 4000);
  const taken = [put(), put()];
  await assert.rejects(put(), { code: "storage_failed", message: /the disk is too slow/ });
  assert.equal(counters.get("storage.refused_writes"), 1);
  (await nextGate(gates)).resolve();
  await Promise.all(taken);
  // One piece of work is taken, however large it is.
  const large = commits.run((changes) => changes.put("a", byte), 1_000_000);
  (await nextGate(gates)).resolve();
  await large;
});

test("after a write that failed nothing is written until the database is open again, which is tried more and more seldom", async (t) => {
  const { database, gates, sizes } = await gatedDatabase(t);
  const clock = new VirtualClock(3);
  const logged: string[] = [];
  const note = ({ event }: LogFields): void => void logged.push(event);
  let isFull = true;
  const reopenedAt: number[] = [];
  const reopen = (): Promise<void> => {
    reopenedAt.push(clock.now());
    return isFull ? Promise.reject(new Error("IO error: x: No space left on device")) : Promise.resolve();
  };
  const logger = { ...silentLogger, warn: note, error: note };
  database.reopen = reopen;
  const commits = new GroupCommit(database, { clock, logger });
  const put = (): Promise<void> => commits.run((changes) => changes.put("a", byte));
  const failing = assert.rejects(put(), { code: "storage_failed", message: /the disk is full: free some space/ });
  (await nextGate(gates)).reject(new Error("IO error: x: No space left on device"));
  await failing;
  await assert.rejects(put(), { code: "storage_failed" });
  // Work that writes nothing is done.
  assert.equal(await commits.run(() => 7), 7);
  await clock.advance(600_000);
  const gaps = reopenedAt.slice(1).map((at, i) => at - (reopenedAt[i] ?? 0));
  assert.ok(reopenedAt.length >= 10 && reopenedAt.length < 20, `${reopenedAt.length} attempts`);
  assert.ok(
    gaps.slice(6).every((gap) => gap >= 48_000 && gap <= 72_000),
    String(gaps),
  );
  isFull = false;
  await clock.advance(72_000);
  const written = put();
  (await nextGate(gates)).resolve();
  await written;
  assert.deepEqual(sizes, [1, 1]);
  assert.deepEqual(logged, ["storage_failed", "storage_recovered"]);
  await commits.close();
});
