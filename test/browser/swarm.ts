// A swarm of the CLI's, and its page.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Page } from "playwright-core";
import { CliRig } from "../integration/cli/cli-rig.ts";

/** How many nodes a swarm has. */
export const nodes = 4;

interface Swarm {
  /** Of the first node. */
  readonly url: string;
  readonly urls: readonly string[];
  readonly ids: readonly string[];
}

/** Starts a swarm, which ends with the test. */
export async function startSwarm(t: TestContext, flags: readonly string[] = []): Promise<Swarm> {
  const rig = new CliRig(t);
  const run = rig.run(["swarm", "--json", "-n", `${nodes}`, `--udp-port=${rig.udpPort}`, ...flags]);
  await run.event("complete");
  const listening = rig.runningNodes();
  const urls = listening.map(({ url }) => url);
  return { url: urls[0] ?? assert.fail("no node"), urls, ids: listening.map(({ id }) => id) };
}

/** Opens the page and waits until it shows all peers. */
export async function openDashboard(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByText("live", { exact: true }).waitFor();
  await page
    .locator(".peers tbody tr")
    .nth(nodes - 2)
    .waitFor();
}
