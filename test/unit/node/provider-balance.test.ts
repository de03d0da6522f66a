// How calls are shared out among the providers of a service, on a virtual clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProviderRecord } from "../../../src/dht/record.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { ProviderPool } from "../../../src/node/provider-pool.ts";
import { runUntil, sleep } from "../../../src/testbed/run.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const key = RecordKey.ofName("a.Service");
const [self = assert.fail(), ...ids] = [1, 2, 3, 4, 5].map((byte) => keyPairFromSeed(new Uint8Array(32).fill(byte)).id);

/** A pool of four providers that answer pings in these milliseconds. */
function poolOf(clock: VirtualClock, pingMs: readonly number[]): ProviderPool {
  const records = ids.map((id): ProviderRecord => {
    const provider = { id, addresses: [{ host: "127.0.0.1", port: 4000 }] };
    return { kind: "provider", key, provider, isWithdrawn: false, sequence: 1n, signature: new Uint8Array(64) };
  });
  return new ProviderPool({
    self,
    clock,
    config: { maxProvidersTried: 64, providerSearchMs: 10_000 },
    search: async (onRecord) => records.forEach(onRecord),
    isConnected: () => false,
    probe: async (contact) => {
      const rttMs = pingMs[ids.indexOf(contact.id)] ?? assert.fail();
      await sleep(clock, rttMs);
      return { contact, rttMs };
    },
    locate: async () => undefined,
  });
}

/**
 * The shares of 10,000 calls.
 * @param callMs milliseconds of a call to each of the four
 * @param pingMs milliseconds in which they answer pings
 */
async function sharesOf(
  atOnce: number,
  callMs: readonly number[],
  pingMs: readonly number[] = callMs,
): Promise<number[]> {
  const clock = new VirtualClock(7);
  const pool = poolOf(clock, pingMs);
  const counts = [0, 0, 0, 0];
  let left = 10_000;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const provider = (await pool.next(new Set())) ?? assert.fail();
      const { answered, ended } = pool.begin(provider.contact);
      const index = ids.indexOf(provider.contact.id);
      counts[index] = (counts[index] ?? 0) + 1;
      await sleep(clock, (callMs[index] ?? 0) * (0.5 + clock.random()));
      answered();
      ended();
    }
  };
  await runUntil(clock, Promise.all(Array.from({ length: atOnce }, worker)));
  return counts.map((count) => count / 10_000);
}

for (const atOnce of [1, 8, 400]) {
  for (const ms of [1, 40]) {
    test(`each of four equal providers gets a quarter of the calls, ${atOnce} at once of ${ms} ms`, async () => {
      const shares = await sharesOf(atOnce, [ms, ms, ms, ms], [1, 9, 3, 2]);
      for (const share of shares) assert.ok(share > 0.23 && share < 0.27, String(shares));
    });
  }

  test(`a provider that is much slower gets a smaller share, and is not forgotten, ${atOnce} at once`, async () => {
    const [slow = 1, ...others] = await sharesOf(atOnce, [400, 10, 10, 10], [1, 1, 1, 1]);
    assert.ok(slow < 0.1 && slow > 0, `${slow}`);
    for (const share of others) assert.ok(share > 0.25 && share < 0.42, String(others));
  });
}
