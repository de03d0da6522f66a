// Makes the pictures of the dashboard in docs/, from a swarm of ten nodes in Chromium: npm run screenshots
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { launchChromium, openTab } from "../test/browser/chromium.ts";
import { openPanels } from "../test/browser/open-panels.ts";
import { buildDashboard, isDashboardStale } from "./dashboard.mjs";

const nodes = 10;
// The whole page, or what is from `from` on. Readers see wide pages made smaller, and every install of the package carries them: `scale`.
const pictures = [
  { name: "dashboard", width: 1280, scale: 0.75, colorScheme: "light" },
  { name: "dashboard-dark", width: 1280, scale: 0.75, colorScheme: "dark" },
  { name: "dashboard-narrow", width: 360, scale: 1, colorScheme: "light", from: ".values", height: 1700 },
  { name: "dashboard-wide", width: 1920, scale: 0.75, colorScheme: "light" },
] as const;

const root = join(import.meta.dirname, "..");
if (isDashboardStale()) await buildDashboard();
const directory = mkdtempSync(join(tmpdir(), "dswarm-screenshots-"));
const swarm = spawn(
  process.execPath,
  [join(root, "src/cli/main.ts"), "swarm", "--json", "-n", `${nodes}`, "--network=demo", "--udp-port=25922"],
  { env: { ...process.env, XDG_RUNTIME_DIR: directory }, stdio: ["pipe", "pipe", "inherit"] },
);

/** Resolves to the address and the id of the first node once all know all. */
async function complete(): Promise<{ readonly url: string; readonly id: string }> {
  let [url, id] = ["", ""];
  for await (const line of createInterface({ input: swarm.stdout })) {
    const event = JSON.parse(line);
    if (event.event === "listening" && url === "") [url, id] = [event.url, event.id];
    if (event.event === "complete") {
      swarm.stdout.resume();
      return { url, id };
    }
  }
  throw new Error("the swarm has ended");
}

try {
  const { url, id } = await complete();
  const browser = await launchChromium(undefined);
  for (const { name, width, scale, colorScheme, ...part } of pictures) {
    const { page, context } = await openTab(browser, {
      viewport: { width, height: 1000 },
      colorScheme,
    });
    await page.goto(url);
    await page
      .locator(".peers tbody tr")
      .nth(nodes - 2)
      .waitFor();
    await page
      .locator(".peers tbody .rtt", { hasText: /\d/ })
      .nth(nodes - 2)
      .waitFor();
    await page.locator(".peers tbody tr button").nth(2).click();
    const services = page.locator(".services");
    await services.getByRole("button", { name: "Check", exact: true }).click();
    await services.getByRole("button", { name: "Call", exact: true }).click();
    await services.locator(".answer").waitFor();
    const texts = {
      value: `hello from ${name}`,
      salt: "greeting",
      provided: "example.v1.Pictures",
      filter: "connection",
    };
    await page.locator(".buckets").getByRole("button", { expanded: false }).first().click();
    await openPanels(page, id, texts);
    await page.getByRole("button", { name: "Random" }).click();
    await page.getByRole("button", { name: "Look up" }).click();
    await page.getByText("The lookup ended").waitFor();
    // Round-trip times of calm minutes, not of the moment in which all nodes met, and records of the last question.
    await page.waitForTimeout(20_000);
    const wholeHeight = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.mouse.move(0, 0);
    await page.setViewportSize({ width, height: "height" in part ? part.height : wholeHeight });
    await page.evaluate(
      (from) => {
        scrollTo(0, 0);
        if (from !== undefined) document.querySelector(from)?.scrollIntoView();
      },
      "from" in part ? part.from : undefined,
    );
    // WebP takes a third of what PNG does.
    const devTools = await context.newCDPSession(page);
    const [y, height] = await page.evaluate(() => [scrollY, innerHeight] as const);
    const clip = { x: 0, y, width, height, scale };
    const { data } = await devTools.send("Page.captureScreenshot", { format: "webp", quality: 45, clip });
    writeFileSync(join(root, `docs/${name}.webp`), Buffer.from(data, "base64"));
    await context.close();
  }
  await browser.close();
} finally {
  swarm.kill("SIGINT");
  await once(swarm, "exit");
  rmSync(directory, { recursive: true, force: true });
}
