// The page with a thousand nodes. They are a stand-in: a swarm of a thousand takes minutes to form on a small machine, and what
// is looked at here is the page. Its server, the API's routes and the messages are the real ones.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { PeerSource } from "../../gen/dswarm/v1/node_pb.ts";
import { dashboardDirectory } from "../../src/api/pages.ts";
import { sharedBits } from "../../src/identity/node-id.ts";
import { nodeService, startApi } from "../integration/api/api-server.ts";
import { browserTest, launchChromium, openTab } from "./chromium.ts";

const count = 1000;

function text(id: Buffer): string {
  return `@${id.toString("base64")}`;
}

browserTest("a thousand nodes do not stall the page", async (t) => {
  const self = randomBytes(32);
  const ids = Array.from({ length: count }, () => randomBytes(32));
  const asked = { lists: 0 };
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
  // Over several polls, what keeps the page from answering for longest, and how long its frames take.
  await page.evaluate(() => {
    const seen = { longest: 0, frames: [] as number[] };
    Object.assign(globalThis, { seen });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) seen.longest = Math.max(seen.longest, duration);
    }).observe({ type: "longtask" });
    let last = performance.now();
    const onFrame = (now: number): void => {
      seen.frames.push(now - last);
      last = now;
      requestAnimationFrame(onFrame);
    };
    requestAnimationFrame(onFrame);
  });
  const enough = asked.lists + 3;
  await page.locator("canvas").focus();
  while (asked.lists < enough) {
    for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowRight");
    await page.getByRole("searchbox").fill(`127.0.0.1:2${asked.lists}`);
    await page.getByRole("searchbox").fill("");
    await page.locator("canvas").focus();
  }
  const { longest, frames } = await page.evaluate(
    () => (globalThis as unknown as { readonly seen: { readonly longest: number; readonly frames: number[] } }).seen,
  );
  const sorted = frames.toSorted((a, b) => a - b);
  const at = (share: number): string => `${(sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(0)} ms`;
  t.diagnostic(`${frames.length} frames, p50 ${at(0.5)}, p99 ${at(0.99)}; longest task ${longest.toFixed(0)} ms`);
  // Of a thousand rows the table shows some at a time, or it would be what stalls.
  assert.ok((await page.locator(".peers tbody tr").count()) <= 50);
  // People notice a second. Machines under load take several times as long as others: it is a stall that fails here.
  assert.ok(longest < 1000, `${longest} ms`);
  assert.deepEqual(faults, []);
});
