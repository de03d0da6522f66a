// In a network namespace of its own, with an address that is not of loopback: nodes on all interfaces, and a browser that
// comes to them by that address. Prints a report as JSON.
import { execFileSync } from "node:child_process";
import { createNode } from "../../src/create-node.ts";
import { launchChromium, openTab } from "./chromium.ts";
import { letIn } from "./let-in.ts";

interface Seen {
  readonly id: string;
  /** Of the page at /, of GET /api/status and of POST /api/ping. */
  readonly statuses: readonly number[];
  /** What the page shows. */
  readonly text: string;
  /** What it shows once the token was given, where there is one. */
  readonly textWithToken: string;
  /** Requests that were not refused. */
  readonly letIn: number;
}

/** What is printed. */
export interface NonLoopbackReport {
  readonly open: Seen;
  readonly guarded: Seen;
}

const address = "10.99.0.1";
const ownersToken = "a-token-of-the-test";

async function look(token: string | undefined): Promise<Seen> {
  await using node = await createNode({
    host: "0.0.0.0",
    discovery: false,
    ...(token !== undefined && { api: { token } }),
  });
  const { page, context } = await openTab(browser);
  const origin = `https://${address}:${node.port}`;
  const answer = await page.goto(`${origin}/`);
  const others = await page.evaluate(async () => [
    (await fetch("/api/status")).status,
    (await fetch("/api/ping", { method: "POST" })).status,
  ]);
  const field = page.getByLabel("Bearer token");
  if (token !== undefined) await field.waitFor();
  const text = await page.locator("body").innerText();
  const wereLetIn = letIn(node.counters);
  let textWithToken = "";
  if (token !== undefined) {
    await field.fill(token);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("live", { exact: true }).waitFor();
    textWithToken = await page.locator("body").innerText();
  }
  await context.close();
  return { id: String(node.id), statuses: [answer?.status() ?? 0, ...others], text, textWithToken, letIn: wereLetIn };
}

execFileSync("ip", ["link", "set", "lo", "up"]);
execFileSync("ip", ["link", "add", "net0", "type", "veth", "peer", "name", "net1"]);
// Without addresses that IPv6 gives itself a moment later: Chromium ends what is under way when addresses change.
for (const name of ["net0", "net1"]) execFileSync("ip", ["link", "set", name, "addrgenmode", "none"]);
execFileSync("ip", ["address", "add", `${address}/24`, "dev", "net0"]);
execFileSync("ip", ["link", "set", "net0", "up"]);
execFileSync("ip", ["link", "set", "net1", "up"]);
const browser = await launchChromium(undefined);
try {
  const report: NonLoopbackReport = { open: await look(undefined), guarded: await look(ownersToken) };
  process.stdout.write(JSON.stringify(report));
} finally {
  await browser.close();
}
