// Makes the pictures of the dashboard in docs/, from a swarm of ten nodes in Chromium: npm run screenshots
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { launchChromium, openTab } from "../test/browser/chromium.ts";

const nodes = 10;
const pictures = [
  { name: "dashboard", width: 1280, height: 1700, colorScheme: "light" },
  { name: "dashboard-dark", width: 1280, height: 1700, colorScheme: "dark" },
  { name: "dashboard-narrow", width: 360, height: 1560, colorScheme: "light" },
  { name: "dashboard-wide", width: 1920, height: 1760, colorScheme: "light" },
] as const;

const root = join(import.meta.dirname, "..");
const directory = mkdtempSync(join(tmpdir(), "dswarm-screenshots-"));
const swarm = spawn(
  process.execPath,
  [join(root, "src/cli/main.ts"), "swarm", "--json", "-n", `${nodes}`, "--network=demo", "--udp-port=25922"],
  { env: { ...process.env, XDG_RUNTIME_DIR: directory }, stdio: ["pipe", "pipe", "inherit"] },
);

/** Resolves to the address of the first node once all know all. */
async function complete(): Promise<string> {
  let url = "";
  for await (const line of createInterface({ input: swarm.stdout })) {
    const event = JSON.parse(line);
    if (event.event === "listening" && url === "") url = event.url;
    if (event.event === "complete") {
      swarm.stdout.resume();
      return url;
    }
  }
  throw new Error("the swarm has ended");
}

try {
  const url = await complete();
  const browser = await launchChromium(undefined);
  for (const { name, width, height, colorScheme } of pictures) {
    const { page, context } = await openTab(browser, { viewport: { width, height }, colorScheme });
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
    await page.getByLabel("Value", { exact: true }).fill(`hello from ${name}`);
    await page.getByRole("button", { name: "Put", exact: true }).click();
    await page.locator(".values .answer").waitFor();
    await page.getByRole("button", { name: "Get", exact: true }).click();
    await page.locator(".values pre").waitFor();
    await page.getByRole("button", { name: "Random" }).click();
    await page.getByRole("button", { name: "Look up" }).click();
    await page.getByText("The lookup ended").waitFor();
    // Round-trip times of calm minutes, not of the moment in which all nodes met, and records of the last question.
    await page.waitForTimeout(20_000);
    await page.evaluate(() => scrollTo(0, 0));
    // WebP takes a third of what PNG does, and every install of the package carries them.
    const devTools = await context.newCDPSession(page);
    const { data } = await devTools.send("Page.captureScreenshot", { format: "webp", quality: 70 });
    writeFileSync(join(root, `docs/${name}.webp`), Buffer.from(data, "base64"));
    await context.close();
  }
  await browser.close();
} finally {
  swarm.kill("SIGINT");
  await once(swarm, "exit");
  rmSync(directory, { recursive: true, force: true });
}
