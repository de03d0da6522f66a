// The page with a thousand nodes. They are a stand-in: a swarm of a thousand takes minutes to form on a small machine, and what
// is looked at here is the page. Its server, the API's routes and the messages are the real ones.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Page } from "playwright-core";
import { PeerSource } from "../../gen/dswarm/v1/node_pb.ts";
import { dashboardDirectory } from "../../src/api/pages.ts";
import { sharedBits } from "../../src/identity/node-id.ts";
import { nodeService, startApi } from "../integration/api/api-server.ts";
import { browserTest, launchChromium, openTab } from "./chromium.ts";

const count = 1000;
/** Lists of peers that the page gets meanwhile. */
const polls = 3;
const yardsticks = 5;

/** Returns a function that tells the time that the page's main thread has had of the processor, in seconds. */
async function cpuMeter(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    const duration = metrics.find(({ name }) => name === "TaskDuration");
    assert.ok(duration);
    return duration.value;
  };
}

/** Runs in the page. */
function layOutPlainTable(rows: number): void {
  const table = document.createElement("table");
  for (let i = 0; i < rows; i++) {
    const row = table.insertRow();
    for (let cell = 0; cell < 6; cell++) row.insertCell().textContent = `${i} of ${rows}, ${cell}`;
  }
  document.body.append(table);
  table.getBoundingClientRect();
  table.remove();
}

function text(id: Buffer): string {
  return `@${id.toString("base64")}`;
}

browserTest("a thousand nodes do not stall the page", async (t) => {
  const self = randomBytes(32);
  const ids = Array.from({ length: count }, () => randomBytes(32));
  const asked = { lists: 0 };
  let steps = 0;
  const peers = () =>
    ids.map((id, i) => ({
      id: text(id),
      addresses: [`127.0.0.1:${20_000 + i}`],
      sharedBits: sharedBits(self, id),
      connected: i % 3 === 0,
      verified: true,
      lastHeardMs: Math.floor(Math.random() * 5000),
      rttMs: Math.random() * 5,
      source: PeerSource.ANNOUNCE,
    }));
  const { url } = await startApi(t, {
    pages: dashboardDirectory(),
    services: [
      nodeService({
        getStatus: () => ({ id: text(self), network: "dev", port: 1, uptimeMs: 1, peers: count, version: "0" }),
        listSwarm: () => ({ nodes: [] }),
        listPeers: () => {
          asked.lists += 1;
          return { peers: peers() };
        },
        listBuckets: () => ({
          buckets: Array.from({ length: 10 }, (_, bits) => ({
            sharedBits: bits,
            contacts: peers()
              .filter((peer) => peer.sharedBits === bits)
              .slice(0, 20),
          })),
        }),
      }),
    ],
  });
  const { page, faults } = await openTab(await launchChromium(t), { viewport: { width: 1280, height: 900 } });
  await page.goto(url);
  await page.getByText("1,001 nodes", { exact: true }).waitFor();
  const cpuSeconds = await cpuMeter(page);
  // The yardstick, on whatever machine and beside whatever else it does: plain tables of as many rows.
  const before = await cpuSeconds();
  for (let i = 0; i < yardsticks; i++) await page.evaluate(layOutPlainTable, count);
  const plain = ((await cpuSeconds()) - before) / yardsticks;
  const first = asked.lists;
  const begun = await cpuSeconds();
  await page.locator("canvas").focus();
  while (asked.lists < first + polls) {
    for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowRight");
    await page.getByLabel("Filter peers").fill(`127.0.0.1:2${asked.lists}`);
    await page.getByLabel("Filter peers").fill("");
    await page.locator("canvas").focus();
    steps += 1;
  }
  const each = ((await cpuSeconds()) - begun) / steps;
  t.diagnostic(
    `${(each * 1000).toFixed(0)} ms of the processor a step; a plain table takes ${(plain * 1000).toFixed(0)} ms`,
  );
  // A step draws the page twelve times. It takes 1.6 to 2.6 times as long as one plain table; with all rows drawn, 4.7 times and more.
  assert.ok(each < 4 * plain, `${each} s, a plain table takes ${plain} s`);
  // Of a thousand rows the table shows some at a time, or it would be what stalls.
  assert.ok((await page.locator(".peers tbody tr").count()) <= 50);
  assert.deepEqual(faults, []);
});
