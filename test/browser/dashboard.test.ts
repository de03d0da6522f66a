// The dashboard of a real swarm, in a real browser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { TestContext } from "node:test";
import type { Page } from "playwright-core";
import { CliRig } from "../integration/cli/cli-rig.ts";
import { browserTest, launchChromium, openTab } from "./chromium.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const nodes = 4;

interface Swarm {
  /** Of the first node. */
  readonly url: string;
  readonly urls: readonly string[];
  readonly ids: readonly string[];
}

async function startSwarm(t: TestContext): Promise<Swarm> {
  const rig = new CliRig(t);
  const run = rig.run(["swarm", "--json", "-n", `${nodes}`, `--udp-port=${rig.udpPort}`]);
  await run.event("complete");
  const listening = rig.runningNodes();
  const urls = listening.map(({ url }) => url);
  return { url: urls[0] ?? assert.fail("no node"), urls, ids: listening.map(({ id }) => id) };
}

async function openDashboard(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByText("live", { exact: true }).waitFor();
  await page
    .locator(".peers tbody tr")
    .nth(nodes - 2)
    .waitFor();
}

/** The rules of WCAG 2.2 A and AA that the page breaks, with the elements that do. */
function violations(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const { run } = (globalThis as unknown as { readonly axe: typeof import("axe-core") }).axe;
    const found = await run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return found.violations.map(({ id, nodes: broken }) => `${id}: ${broken.map(({ html }) => html).join(" ")}`);
  });
}

browserTest("shows who the node is, its peers with round-trip times, lookups and values", async (t) => {
  const { url, urls, ids } = await startSwarm(t);
  const browser = await launchChromium(t);
  const { page, faults } = await openTab(browser);
  await openDashboard(page, url);
  await page
    .locator(".status")
    .getByText(ids[0] ?? "", { exact: true })
    .waitFor();

  const peers = page.locator(".peers");
  for (const { port } of urls.slice(1).map((each) => new URL(each))) {
    await peers.getByText(`127.0.0.1:${port}`, { exact: true }).waitFor();
  }
  await peers.getByRole("button", { name: "Ping", exact: true }).click();
  await page.waitForFunction(() => {
    const times = [...document.querySelectorAll(".peers tbody tr td:nth-child(4)")].map((cell) => cell.textContent);
    return times.length > 0 && times.every((time) => /^[\d.]+ (ms|s)$/.test(time ?? ""));
  });
  await peers.getByRole("searchbox").fill(new URL(urls[1] ?? "").port);
  await page.waitForFunction(() => document.querySelectorAll(".peers tbody tr").length === 1);

  const lookup = page.locator(".lookup");
  await lookup.getByRole("textbox").fill(ids[2] ?? "");
  await lookup.getByRole("button", { name: "Look up" }).click();
  await lookup.getByText("The lookup ended").waitFor();

  // A value that is put at one node is got at another.
  const values = page.locator(".values");
  await values.getByLabel("Value").fill("grüße <b>from</b> one page to another");
  await values.getByRole("button", { name: "Put" }).click();
  const key = await values.locator(".answer code").innerText();
  assert.match(key, /^&[A-Za-z0-9+/]{43}=$/);
  const other = await openTab(browser);
  await openDashboard(other.page, urls[3] ?? "");
  const otherValues = other.page.locator(".values");
  await otherValues.getByLabel("Key", { exact: true }).fill(key);
  await otherValues.getByRole("button", { name: "Get" }).click();
  assert.equal(await otherValues.locator("pre").innerText(), "grüße <b>from</b> one page to another");
  assert.deepEqual([...faults, ...other.faults], []);
  await otherValues.getByLabel("Key", { exact: true }).fill("&nonsense");
  await otherValues.getByRole("button", { name: "Get" }).click();
  await otherValues.getByRole("alert").waitFor();
});

browserTest("can be used by the keyboard alone", async (t) => {
  const { url, ids } = await startSwarm(t);
  const { page } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  // Each stop has a ring that is seen, and a name.
  const stops: string[] = [];
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const at = document.activeElement;
      if (at === null || at === document.body) return undefined;
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      const label = at instanceof HTMLInputElement || at instanceof HTMLTextAreaElement ? at.labels?.[0] : undefined;
      const name = at.getAttribute("aria-label") ?? label?.textContent ?? at.textContent;
      return { name: name ?? "", ring: outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2 };
    });
    if (stop === undefined) break;
    assert.ok(stop.ring, `no ring around ${stop.name}`);
    assert.notEqual(stop.name.trim(), "");
    stops.push(stop.name);
  }
  for (const wanted of [
    /^Copy the id/,
    /^The XOR space/,
    /look up$/,
    /^Filter peers/,
    /^Select @/,
    /^Value$/,
    /^Key$/,
  ]) {
    assert.ok(
      stops.some((name) => wanted.test(name)),
      `${wanted} of ${stops.join(" | ")}`,
    );
  }
  // Round the circle, home, and away.
  await page.locator("canvas").focus();
  const selected = page.locator(".selected code");
  const seen = new Set<string>();
  for (let i = 0; i < nodes; i++) {
    await page.keyboard.press("ArrowRight");
    seen.add(await selected.innerText());
  }
  assert.deepEqual([...seen].sort(), [...ids].sort());
  await page.keyboard.press("Home");
  assert.equal(await selected.innerText(), ids[0]);
  await page.keyboard.press("Escape");
  await page.getByText("Choose a node").waitFor();
});

browserTest("breaks no rule of accessibility, light and dark, and is never wider than its window", async (t) => {
  const { url } = await startSwarm(t);
  const browser = await launchChromium(t);
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [360, 1280, 1920]) {
      // The check is a script of ours, which the page's own policy would not let in.
      const { page } = await openTab(browser, { colorScheme, viewport: { width, height: 800 }, bypassCSP: true });
      await openDashboard(page, url);
      await page.evaluate(axe);
      assert.deepEqual(await violations(page), [], `${colorScheme}, ${width}`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
      await page.context().close();
    }
  }
});

browserTest("asks the node for nothing while the page is hidden", async (t) => {
  const { url } = await startSwarm(t);
  const { page } = await openTab(await launchChromium(t));
  let requests = 0;
  await page.clock.install();
  page.on("request", () => {
    requests += 1;
  });
  await openDashboard(page, url);
  // Headless pages are never hidden by themselves: this says so as the browser would.
  const setHidden = (hidden: boolean) =>
    page.evaluate((isHidden) => {
      Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await setHidden(true);
  // What was under way has come to its end.
  await page.clock.runFor(6000);
  await page.waitForLoadState("networkidle");
  requests = 0;
  await page.clock.runFor(120_000);
  assert.equal(requests, 0);
  const asked = page.waitForRequest((request) => request.url().includes("GetStatus"));
  await setHidden(false);
  await asked;
});
