// A real browser: the Chromium of this machine, headless, by playwright-core, which brings none of its own.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { buildDashboard, isDashboardStale } from "../../scripts/dashboard.mjs";

/** The executable: $CHROMIUM, or the first "chromium" of the PATH. Undefined where there is none. */
export function findChromium(): string | undefined {
  const name = process.env["CHROMIUM"] ?? "chromium";
  const paths = name.includes("/") ? [name] : (process.env["PATH"] ?? "").split(delimiter).map((at) => join(at, name));
  return paths.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Of the test that runs. */
const opened = new Set<Page>();

/**
 * A test that needs Chromium, and the page built. Without Chromium it is skipped, but where CI is set it fails: there it
 * would never be missed.
 */
export function browserTest(name: string, run: (t: TestContext) => Promise<void>): void {
  test(name, async (t) => {
    if (findChromium() === undefined && process.env["CI"] === undefined) {
      t.skip("needs Chromium: apt-get install chromium, or name one in CHROMIUM");
      return;
    }
    if (isDashboardStale()) await buildDashboard();
    opened.clear();
    try {
      await run(t);
    } catch (error) {
      for (const page of opened) t.diagnostic(await shownOn(page));
      throw error;
    }
  });
}

/** What there was to be seen and what was under way, for whoever reads why a test has failed. */
async function shownOn(page: Page): Promise<string> {
  try {
    const text = await page.locator("body").innerText({ timeout: 5000 });
    const underWay = await page.evaluate(() =>
      performance
        .getEntriesByType("resource")
        .slice(-10)
        .map((entry) => `${entry.name} ${Math.round(entry.startTime)} + ${Math.round(entry.duration)} ms`),
    );
    return [page.url(), text, ...underWay].join("\n");
  } catch (error) {
    return `${page.url()} cannot be looked at: ${String(error)}`;
  }
}

/**
 * Starts a browser, which ends with the test.
 * @param args further switches of Chromium
 * @throws Error where there is none
 */
export async function launchChromium(t: TestContext | undefined, args: readonly string[] = []): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("there is no Chromium: apt-get install chromium");
  const browser = await chromium.launch({
    executablePath,
    // Chromium refuses to run its sandbox as root.
    chromiumSandbox: process.getuid?.() !== 0,
    args: ["--disable-gpu", ...args],
  });
  t?.after(() => browser.close());
  return browser;
}

/** A page, and what went wrong on it. */
export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors thrown, errors logged, and violations of the content security policy. */
  readonly faults: readonly string[];
}

/** Opens a tab of its own, with the self-signed certificate accepted. */
export async function openTab(browser: Browser, options: BrowserContextOptions = {}): Promise<Tab> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  opened.add(page);
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
  });
  return { page, context, faults };
}
