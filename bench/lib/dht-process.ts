// A process that runs all nodes of one DHT and measures them. Usage: node --expose-gc lib/dht-process.ts SYSTEM NODES OPERATIONS
// Tells its parent what it does, then the figures.
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { DhtFigures, DhtMessage } from "./dht-figures.ts";
import type { DhtMember, DhtSystem } from "./dht-system.ts";
import { pssKiB } from "./memory.ts";
import { percentile } from "./statistics.ts";

const valueBytes = 100;
const killedShare = 0.25;
/** Tables are stable when no table has changed its size for so long. */
const stableMs = 3000;
const pollMs = 50;
const maxLagMs = 500;
const maxFormingMs = 60_000;
/** Where operations take long, fewer than asked for are made. */
const maxPhaseMs = 60_000;

const [name = "", nodes = 0, operations = 0] = process.argv.slice(2).map((text, i) => (i === 0 ? text : Number(text)));
const { system } = (await import(`../dhts/${name}.ts`)) as { system: DhtSystem };
tell({ figures: await measure(Number(nodes), Number(operations)) });

async function measure(count: number, operationCount: number): Promise<DhtFigures> {
  const network = system.createNetwork();
  const members = await network.add(1);
  const oneKiB = await restingKiB();
  const startedAt = performance.now();
  tell({ doing: `starting ${count} nodes` });
  members.push(...(await network.add(count - 1)));
  tell({ doing: "forming" });
  const formedMs = (await lastChange(members)) - startedAt;
  const formedKiB = ((await restingKiB()) - oneKiB) / (count - 1);
  const contacts = members.reduce((sum, member) => sum + member.contacts, 0) / count;

  const stored: { readonly key: string; readonly value: Uint8Array }[] = [];
  const putTo = (those: readonly DhtMember[]) => async () => {
    const value = randomBytes(valueBytes);
    stored.push({ key: await randomOf(those).put(value), value });
    return true;
  };
  const getFrom = (those: readonly DhtMember[]) => async (index: number) => {
    const { key, value } = stored[index % stored.length] ?? { key: "", value: new Uint8Array() };
    const found = await randomOf(those).get(key);
    return found !== undefined && Buffer.compare(found, value) === 0;
  };
  const put = await timed("put", operationCount, putTo(members));
  const get = await timed("get", operationCount, getFrom(members));
  const usedKiB = ((await restingKiB()) - oneKiB) / (count - 1);

  const [putter, getter] = [members.slice(-1), members.slice(-2, -1)];
  const onePut = await timed("put by one", operationCount, putTo(putter));
  const oneGet = await timed("get by one", operationCount, getFrom(getter));

  tell({ doing: "killing a quarter" });
  const killed = members.splice(0, Math.floor(count * killedShare));
  await Promise.all(killed.map((member) => member.kill()));
  const getAfter = await timed("get after", operationCount, getFrom(members));
  return {
    nodes: count,
    formedMs,
    contacts,
    formedKiB,
    usedKiB,
    putP50Ms: put.p50,
    putP99Ms: put.p99,
    putOk: put.ok,
    getP50Ms: get.p50,
    getP99Ms: get.p99,
    getOk: get.ok,
    getAfterP50Ms: getAfter.p50,
    getAfterP99Ms: getAfter.p99,
    getAfterOk: getAfter.ok,
    onePutP50Ms: onePut.p50,
    onePutP99Ms: onePut.p99,
    oneGetP50Ms: oneGet.p50,
    oneGetP99Ms: oneGet.p99,
  };
}

/**
 * When a table last changed its size, once none has for `stableMs` in which the process kept up, and each has a contact; NaN where that
 * does not come to pass.
 */
async function lastChange(members: readonly DhtMember[]): Promise<number> {
  const startedAt = performance.now();
  let changedAt = startedAt;
  let quietSince = startedAt;
  let before = "";
  for (let now = startedAt; now - quietSince < stableMs; ) {
    if (now - startedAt > maxFormingMs) return Number.NaN;
    const contacts = members.map((member) => member.contacts);
    const sizes = contacts.join();
    if (sizes !== before) changedAt = now;
    if (sizes !== before || contacts.includes(0)) quietSince = now;
    before = sizes;
    await sleep(pollMs);
    const wokeAt = performance.now();
    // It had so much to do that what is to come may be under way.
    if (wokeAt - now > maxLagMs) quietSince = wokeAt;
    now = wokeAt;
  }
  return changedAt;
}

/** One operation after the other. What it throws is a failure. */
async function timed(
  doing: string,
  count: number,
  operation: (index: number) => Promise<boolean>,
): Promise<{ readonly p50: number; readonly p99: number; readonly ok: number }> {
  const times: number[] = [];
  const endAt = performance.now() + maxPhaseMs;
  let ok = 0;
  let failure = "";
  for (let i = 0; i < count && performance.now() < endAt; i++) {
    if (i % 50 === 0) tell({ doing: `${doing} ${i}/${count}` });
    const startedAt = performance.now();
    try {
      if (await operation(i)) ok += 1;
    } catch (error) {
      failure = error instanceof Error ? error.message : "it threw no error";
    }
    times.push(performance.now() - startedAt);
  }
  if (failure !== "") tell({ doing: `${doing}: ${failure}` });
  times.sort((a, b) => a - b);
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), ok: ok / times.length };
}

/** Memory of the process after garbage collection. Twice, with a turn between: what finalizers let go of is collected too. */
async function restingKiB(): Promise<number> {
  globalThis.gc?.();
  await sleep(pollMs);
  globalThis.gc?.();
  return pssKiB(process.pid);
}

function randomOf(members: readonly DhtMember[]): DhtMember {
  const member = members[Math.floor(Math.random() * members.length)];
  if (member === undefined) throw new Error("no node is left");
  return member;
}

function tell(message: DhtMessage): void {
  // Nothing of the systems is left to keep the process.
  process.send?.(message, () => {
    if ("figures" in message) process.exit(0);
  });
}
