// The dashboard of a real swarm, in a real browser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { send } from "../integration/node/rig.ts";
import { browserTest, launchChromium, openTab } from "./chromium.ts";
import { openBuckets, openPanels } from "./open-panels.ts";
import { nodes, openDashboard, startSwarm } from "./swarm.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Selects a peer, lists its services and opens the form of a method of its grpc.health.v1.Health. */
async function openCallForm(page: Page, id: string, method: string): Promise<void> {
  await page
    .locator(".peers")
    .getByRole("button", { name: `Select ${id.slice(0, 9)}` })
    .click();
  const services = page.locator(".services");
  await services.getByText("grpc.health.v1.Health", { exact: true }).waitFor();
  await services.getByRole("button", { name: method, exact: true }).click();
  await services.getByRole("form", { name: `Call ${method}` }).waitFor();
}

/** Calls grpc.health.v1.Health.Watch of the peer whose services are listed; its first message is shown then. */
async function watchHealth(page: Page): Promise<void> {
  const services = page.locator(".services");
  await services.getByRole("button", { name: "Watch", exact: true }).click();
  const form = services.getByRole("form", { name: "Call Watch" });
  await form.getByRole("button", { name: "Call", exact: true }).click();
  await form.locator(".messages li").filter({ hasText: "SERVING" }).waitFor();
}

async function fetchJson(url: string, body: object): Promise<{ readonly key: string }> {
  const { hostname, port, pathname } = new URL(url);
  const headers = { "Content-Type": "application/json" };
  const { status, text } = await send(
    Number(port),
    pathname,
    { host: hostname, method: "POST", headers },
    JSON.stringify(body),
  );
  assert.equal(status, 200, text);
  return JSON.parse(text);
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
  const pinged: string[][] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/PingPeers")) pinged.push(request.postDataJSON().ids);
  });
  await openDashboard(page, url);
  await page
    .locator(".status")
    .getByText(ids[0] ?? "", { exact: true })
    .waitFor();

  const peers = page.locator(".peers");
  for (const { port } of urls.slice(1).map((each) => new URL(each))) {
    await peers.getByText(`127.0.0.1:${port}`, { exact: true }).waitFor();
  }
  // The node has called them before: nobody has to ping.
  await page.waitForFunction(() => {
    const times = [...document.querySelectorAll(".peers tbody .rtt")].map((cell) => cell.textContent);
    return times.length > 0 && times.every((time) => /^[\d.]+ (ms|s)$/.test(time ?? ""));
  });
  // The page itself pings few at a time, and each of them once a minute.
  const asked = pinged.flat();
  assert.equal(new Set(asked).size, asked.length);
  assert.ok(pinged.every(({ length }) => length <= 3));
  const answered = page.waitForResponse(
    (response) => response.url().endsWith("/PingPeers") && response.request().postDataJSON().ids.length === nodes - 1,
  );
  await peers.getByRole("button", { name: "Ping", exact: true }).click();
  const { results } = await (await answered).json();
  assert.equal(results.length, nodes - 1);
  assert.ok(results.every(({ ok }: { readonly ok: boolean }) => ok));
  await peers.getByRole("searchbox").fill(new URL(urls[1] ?? "").port);
  await page.waitForFunction(() => document.querySelectorAll(".peers tbody tr").length === 1);

  // A form of its descriptors calls it through the gateway.
  await openCallForm(page, ids[1] ?? "", "Check");
  const services = page.locator(".services");
  await services.getByRole("textbox", { name: /^service string/ }).fill("");
  await services.getByRole("button", { name: "Call", exact: true }).click();
  await services.locator("pre").filter({ hasText: '"SERVING"' }).waitFor();

  // A stream goes on until it is cancelled.
  await watchHealth(page);
  await services.getByText("1 message so far", { exact: true }).waitFor();
  await services.getByRole("button", { name: "Cancel", exact: true }).click();
  await services.locator(".facts").getByText("Cancelled after 1 message", { exact: true }).waitFor();
  await services.getByRole("button", { name: "Call", exact: true }).waitFor();

  const lookup = page.locator(".lookup");
  await lookup.getByRole("textbox").fill(ids[2] ?? "");
  await lookup.getByRole("button", { name: "Look up" }).click();
  await lookup.getByText("The lookup ended").waitFor();
  await lookup.locator(".is-asked").filter({ hasText: "hop 1," }).first().waitFor();
  // The peer that is looked for answers itself.
  await lookup
    .locator(".is-answered")
    .filter({ hasText: ids[2]?.slice(0, 8) ?? "" })
    .waitFor();
  const replay = lookup.getByRole("slider", { name: "Step of the lookup" });
  const steps = Number(await replay.getAttribute("max"));
  // Each of the others is asked and answers, and the lookup ends.
  assert.equal(steps, 2 * (nodes - 1) + 1);
  await lookup.getByRole("button", { name: "Step back" }).click();
  assert.equal(await replay.inputValue(), String(steps - 1));

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

browserTest("tells live what happens, how much of it, and which records there are", async (t) => {
  const { url, urls } = await startSwarm(t);
  const { page, faults } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  const events = page.locator(".events");
  // What was before the page came, and then what happens.
  await events.locator("li").filter({ hasText: "peer appeared" }).first().waitFor();
  await page.locator(".records").getByText("0 kept").waitFor();
  const value = Buffer.from("told live").toString("base64");
  const other = urls[1] ?? assert.fail("no node");
  const put = await fetchJson(`${other}/api/values`, { value });
  await events
    .locator("li")
    .filter({ hasText: "record stored" })
    .filter({ hasText: put.key.slice(0, 9) })
    .waitFor();
  await page
    .locator(".records tbody tr")
    .filter({ hasText: put.key.slice(0, 9) })
    .waitFor();
  await page.locator(".records").getByText("1 kept").waitFor();
  // The page's own requests are among the rates.
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".rates > div")].some(
      (rate) => rate.textContent?.startsWith("API requests") && !rate.textContent.startsWith("API requests0 /"),
    ),
  );
  // Nor do the browser's own connections, some of which never carry a request, look like peers that failed.
  assert.deepEqual(await events.locator("li").filter({ hasText: "handshake failed" }).allInnerTexts(), []);
  await events.getByRole("button", { name: "Pause" }).click();
  await events.getByRole("button", { name: "Go on" }).waitFor();
  assert.deepEqual(faults, []);
});

for (const { what, flags } of [
  { what: "one process", flags: [] },
  { what: "a process each", flags: ["--processes"] },
]) {
  browserTest(`shows every node of a swarm in ${what} on one page`, async (t) => {
    const { url, ids } = await startSwarm(t, flags);
    const { page, faults } = await openTab(await launchChromium(t));
    await openDashboard(page, url);
    const swarm = page.locator(".swarm");
    await page.waitForFunction((count) => document.querySelectorAll(".swarm li").length === count, nodes);
    const processes = await swarm
      .locator("li")
      .getByRole("button")
      .evaluateAll((buttons) => buttons.map((button) => /process (\d+)/.exec(button.getAttribute("title") ?? "")?.[1]));
    assert.equal(new Set(processes).size, flags.length === 0 ? 1 : nodes);
    for (const [i, id] of ids.entries()) {
      await swarm.getByRole("button", { name: `${i + 1} ${id.slice(0, 9)}` }).click();
      await page.locator(".status").getByText(id, { exact: true }).waitFor();
      // Peers, events and lookups are those of the node that is looked at.
      for (const other of ids) {
        const rows = page.locator(".peers tbody tr").filter({ hasText: other.slice(0, 9) });
        await (other === id ? rows.waitFor({ state: "detached" }) : rows.waitFor());
      }
      await page.locator(".events li").filter({ hasText: "peer appeared" }).first().waitFor();
      const lookup = page.locator(".lookup");
      await lookup.getByRole("textbox").fill(id);
      await lookup.getByRole("button", { name: "Look up" }).click();
      await lookup.getByText("The lookup ended").waitFor();
    }
    // The address keeps which node it was, and goes back.
    await page.reload();
    await page
      .locator(".status")
      .getByText(ids.at(-1) ?? "", { exact: true })
      .waitFor();
    await page.waitForFunction((title) => document.title === title, `${ids.at(-1)?.slice(0, 9)}… dswarm`);
    await page.goBack();
    await page
      .locator(".status")
      .getByText(ids.at(-2) ?? "", { exact: true })
      .waitFor();
    // Arrow keys go along the nodes, Enter looks at one.
    await swarm.getByRole("button", { name: `${nodes} ${ids.at(-1)?.slice(0, 9)}` }).focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page
      .locator(".status")
      .getByText(ids[1] ?? "", { exact: true })
      .waitFor();
    assert.deepEqual(faults, []);
  });
}

browserTest("goes back to the node that serves the page when the process of another has died", async (t) => {
  const { url, ids } = await startSwarm(t, ["--processes"]);
  const { page } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  const member = page.locator(".swarm").getByRole("button", { name: `${nodes} ${ids.at(-1)?.slice(0, 9)}` });
  await member.click();
  const status = page.locator(".status");
  await status.getByText(ids.at(-1) ?? "", { exact: true }).waitFor();
  process.kill(Number(/process (\d+)/.exec((await member.getAttribute("title")) ?? "")?.[1]), "SIGKILL");
  await page.getByRole("alert").filter({ hasText: "The node that was looked at is not there any more." }).waitFor();
  await status.getByText(ids[0] ?? "", { exact: true }).waitFor();
  await member.waitFor({ state: "detached" });
  await page
    .locator(".swarm")
    .getByRole("button", { name: `2 ${ids[1]?.slice(0, 9)}` })
    .click();
  await status.getByText(ids[1] ?? "", { exact: true }).waitFor();
  assert.equal(await page.getByRole("alert").count(), 0);
});

browserTest("leads to what describes the API, and back", async (t) => {
  const { url } = await startSwarm(t);
  const { page } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  const links = page.getByRole("navigation");
  await links.getByRole("link", { name: "OpenAPI" }).click();
  assert.equal(JSON.parse(await page.locator("body").innerText()).openapi, "3.1.1");
  await page.goBack();
  await links.getByRole("link", { name: "Metrics" }).click();
  await page.getByText("dswarm_peers").first().waitFor();
  await page.goBack();
  await links.getByRole("link", { name: "API", exact: true }).click();
  await page.getByRole("heading", { name: "the API of a node" }).waitFor();
  await page.getByRole("link", { name: "Dashboard" }).click();
  await page.getByText("live", { exact: true }).waitFor();
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
  await page.getByText("Choose a node in the circle").waitFor();
});

browserTest("a lookup plays by itself only where motion is welcome", async (t) => {
  const { url } = await startSwarm(t);
  const browser = await launchChromium(t);
  for (const reducedMotion of ["reduce", "no-preference"] as const) {
    const { page } = await openTab(browser, { reducedMotion });
    await openDashboard(page, url);
    const lookup = page.locator(".lookup");
    await lookup.getByRole("button", { name: "Random" }).click();
    await lookup.getByRole("button", { name: "Look up" }).click();
    const pause = lookup.getByRole("button", { name: "Pause" });
    if (reducedMotion === "no-preference") await pause.waitFor();
    await lookup.getByText("The lookup ended").waitFor();
    if (reducedMotion === "reduce") assert.equal(await pause.count(), 0);
    await lookup.getByRole("button", { name: "Play" }).waitFor();
    const replay = lookup.getByRole("slider", { name: "Step of the lookup" });
    assert.equal(await replay.inputValue(), await replay.getAttribute("max"));
  }
});

browserTest("breaks no rule of accessibility, light and dark, and is never wider than its window", async (t) => {
  const { url, ids } = await startSwarm(t);
  const browser = await launchChromium(t);
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [360, 1280, 1920]) {
      // The check is a script of ours, which the page's own policy would not let in.
      const { page } = await openTab(browser, { colorScheme, viewport: { width, height: 800 }, bypassCSP: true });
      await openDashboard(page, url);
      await page
        .locator(".swarm li")
        .nth(nodes - 1)
        .waitFor();
      await page.evaluate(axe);
      const check = async (state: string): Promise<void> => {
        assert.deepEqual(await violations(page), [], `${state}, ${colorScheme}, ${width}`);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, state);
      };
      await check("at first");
      await openCallForm(page, ids[1] ?? "", "Check");
      await check("a call form is open");
      await page.getByRole("textbox", { name: /^service string/ }).fill("nothing.of.the.Kind");
      await page.locator(".services").getByRole("button", { name: "Call", exact: true }).click();
      await page.locator(".services").getByRole("alert").waitFor();
      await check("a call has failed");
      await watchHealth(page);
      await check("a stream of messages is shown");
      await page.getByRole("button", { name: "Random" }).click();
      await page.getByRole("button", { name: "Look up" }).click();
      await page.getByText("The lookup ended").waitFor();
      await page.getByLabel("Value", { exact: true }).fill("a".repeat(200));
      await page.getByRole("button", { name: "Put", exact: true }).click();
      await page.locator(".values .answer").waitFor();
      await page.getByRole("button", { name: "Get", exact: true }).click();
      await page.locator(".values pre").waitFor();
      await page.locator(".records tbody tr").first().waitFor();
      await check("a lookup and a value are shown");
      const salt = `${colorScheme} ${width}`;
      await openBuckets(page);
      await openPanels(page, ids[0] ?? "", { value: "b".repeat(200), salt, provided: salt, filter: "appeared" });
      await check("contacts, keepers, a watched value, a provider and a record are shown, and events are filtered");
      for (const list of await page.locator(".found").all()) {
        await list.getByRole("button").first().click();
        await list.getByRole("button", { pressed: true }).waitFor();
      }
      const card = page.locator(".records").getByRole("region", { name: "Record", exact: true });
      await card.getByRole("button", { name: "Who keeps it" }).click();
      await card.getByText(/closest nodes? keep it$/).waitFor();
      const values = page.locator(".values");
      await values.getByRole("button", { name: "Delete", exact: true }).click();
      await values.getByText(/^Deleted with sequence/).waitFor();
      await values.getByLabel("Salt, tells apart").fill("c".repeat(65));
      await values.getByText("a salt of 65 B, 64 are possible").waitFor();
      await values.getByLabel("Key", { exact: true }).fill(ids[0] ?? "");
      await values.getByLabel("Salt of the signer").fill("none of these");
      await values.getByRole("button", { name: "Get", exact: true }).click();
      await values.getByRole("alert").waitFor();
      await page.locator(".providers").getByRole("button", { name: "Withdraw", exact: true }).click();
      await page.getByText("This node provides it no more.").waitFor();
      await page.locator(".events").getByRole("searchbox").fill("nothing of the kind");
      await page.getByText("No event has all of that in it.").waitFor();
      await check("keepers are chosen, a value is deleted, and what cannot be found or put is told");
      await page.goto(`${url}/api/docs`);
      await page.evaluate(axe);
      await check("the description of the API");
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
