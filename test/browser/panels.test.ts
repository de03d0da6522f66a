// The panels of the dashboard, one by one, in a real browser.
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { browserTest, launchChromium, openTab } from "./chromium.ts";
import { nodes, openDashboard, startSwarm } from "./swarm.ts";

/** Where the focus is: the accessible name, and the class of the panel around it. */
function focused(page: Page): Promise<{ readonly name: string; readonly panel: string }> {
  return page.evaluate(() => {
    const at = document.activeElement;
    const name = at?.getAttribute("aria-label") ?? at?.textContent ?? "";
    return { name, panel: at?.closest(".panel")?.className ?? "" };
  });
}

browserTest("a click anywhere in the row of a peer or of a contact selects it", async (t) => {
  const { url, ids } = await startSwarm(t);
  const { page, faults } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  for (const id of ids.slice(1)) {
    const row = page.locator(".peers tbody tr").filter({ hasText: id.slice(0, 9) });
    await row.locator("td").nth(3).click();
    await page.locator(".selected").getByText(id, { exact: true }).waitFor();
    await row.getByRole("button", { pressed: true }).waitFor();
  }
  // The contacts of all k-buckets together are the peers.
  const buckets = page.locator(".buckets");
  await buckets.getByText(`${nodes - 1} contacts`, { exact: true }).waitFor();
  const closed = buckets.getByRole("button", { expanded: false });
  while ((await closed.count()) > 0) await closed.first().click();
  assert.equal(await buckets.locator("tr.contact").count(), nodes - 1);
  for (const id of ids.slice(1)) {
    const row = buckets.locator("tr.contact").filter({ hasText: id.slice(0, 9) });
    await row.getByText(/^127\.0\.0\.1:\d+$/).click();
    await page.locator(".selected").getByText(id, { exact: true }).waitFor();
    await row.getByRole("button", { pressed: true }).waitFor();
  }
  await buckets.getByRole("button", { expanded: true }).first().click();
  await buckets.getByRole("button", { expanded: false }).first().waitFor();
  assert.deepEqual(faults, []);
});

browserTest("opens a record, and copies its key and its value", async (t) => {
  const { url } = await startSwarm(t);
  const { page, context, faults } = await openTab(await launchChromium(t));
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await openDashboard(page, url);
  const value = '<img src="x" onerror="document.title = 1"> \u202e hostile\nsecond line';
  await page.getByLabel("Value", { exact: true }).fill(value);
  await page.getByRole("button", { name: "Put", exact: true }).click();
  const key = await page.locator(".values .answer code").innerText();
  const records = page.locator(".records");
  await records
    .locator("tbody tr")
    .filter({ hasText: key.slice(0, 9) })
    .locator("td")
    .nth(1)
    .click();
  const card = records.getByRole("region", { name: "Record", exact: true });
  // It came from somebody: it is text, and shows that something is not seen.
  assert.equal(await card.locator("pre").innerText(), value.replace("\u202e", "\ufffd"));
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await card.getByRole("button", { name: "Copy the key of the record" }).click();
  await card.getByText("copied").waitFor();
  assert.equal(await copied(), key);
  await card.getByRole("button", { name: "Copy the value" }).click();
  await page.waitForFunction(async (text) => (await navigator.clipboard.readText()) === text, value);
  await card.getByRole("button", { name: "Close" }).click();
  await card.waitFor({ state: "detached" });
  assert.deepEqual(faults, []);
});

browserTest("puts, gets, watches and deletes values with a salt", async (t) => {
  const { url, urls, ids } = await startSwarm(t);
  const browser = await launchChromium(t);
  const [own, other] = [await openTab(browser), await openTab(browser)];
  await openDashboard(own.page, url);
  await openDashboard(other.page, urls[1] ?? "");
  const put = own.page.getByRole("form", { name: "Put", exact: true });
  await put.getByLabel(/own key/).check();
  const update = async (value: string, salt: string, sequence: number): Promise<void> => {
    await put.getByLabel("Value", { exact: true }).fill(value);
    await put.getByLabel(/^Salt/).fill(salt);
    await put.getByRole("button", { name: "Put", exact: true }).click();
    await put.getByText(`Sequence ${sequence}, kept by`).waitFor();
  };
  await update("the first of one", "one", 1);
  await update("the first of two", "two", 1);
  // Another node finds them by signer and salt.
  const get = other.page.getByRole("form", { name: "Get and watch" });
  const got = async (salt: string): Promise<string> => {
    await get.getByLabel(/^Salt/).fill(salt);
    await get.getByRole("button", { name: "Get", exact: true }).click();
    return await get.locator("pre").innerText();
  };
  await get.getByLabel("Key", { exact: true }).fill(ids[0] ?? "");
  assert.equal(await got("one"), "the first of one");
  await get.getByText("salt one").waitFor();
  assert.equal(await got("two"), "the first of two");
  // What was said of one lookup goes with the next, and so does what it found.
  await get.getByLabel(/^Salt/).fill("none of these");
  await get.getByRole("button", { name: "Get", exact: true }).click();
  await get.getByRole("alert").waitFor();
  assert.equal(await get.locator("pre").count(), 0);
  const held = Promise.withResolvers<void>();
  await other.page.route("**/GetValue", async (route) => {
    await held.promise;
    await route.continue();
  });
  await get.getByLabel(/^Salt/).fill("one");
  await get.getByRole("button", { name: "Get", exact: true }).click();
  await get.getByRole("button", { name: "Getting …" }).waitFor();
  assert.equal(await get.getByRole("alert").count(), 0);
  held.resolve();
  await get.locator("pre").waitFor();
  // A change is seen as it happens, and so is that the value is gone.
  await get.getByRole("button", { name: "Watch", exact: true }).click();
  const states = get.getByRole("list", { name: /^States of the value/ });
  await states.getByText("#1 the first of one", { exact: true }).waitFor();
  await update("the second of one", "one", 2);
  await states.getByText("#2 the second of one", { exact: true }).waitFor();
  await put.getByRole("button", { name: "Delete", exact: true }).click();
  await put.getByText("Deleted with sequence 3").waitFor();
  await states.getByText("There is no value.", { exact: true }).waitFor();
  await get.getByRole("button", { name: "Stop watching" }).click();
  await get.getByText("No longer watched: 3 states so far").waitFor();
  // The other value is still there.
  assert.equal(await got("two"), "the first of two");
  await put.getByLabel(/^Salt/).fill("a".repeat(65));
  await put.getByText("a salt of 65 B, 64 are possible").waitFor();
  assert.equal(await put.getByRole("button", { name: "Put", exact: true }).getAttribute("aria-disabled"), "true");
});

browserTest("finds who provides something, and lets the node provide it and withdraw it", async (t) => {
  const { url, urls, ids } = await startSwarm(t);
  const browser = await launchChromium(t);
  const [own, other] = [await openTab(browser), await openTab(browser)];
  await openDashboard(own.page, url);
  await openDashboard(other.page, urls[1] ?? "");
  const name = "example.v1.Nothing";
  const [mine, theirs] = [own.page.locator(".providers"), other.page.locator(".providers")];
  await mine.getByRole("textbox").fill(name);
  await mine.getByRole("button", { name: "Provide", exact: true }).click();
  await mine.getByText(/^This node provides it\. That is kept by/).waitFor();
  const key = await mine.locator(".answer code").innerText();
  for (const wanted of [name, key]) {
    await theirs.getByRole("textbox").fill(wanted);
    await theirs.getByRole("button", { name: "Find", exact: true }).click();
    await theirs.getByText("1 provider", { exact: true }).waitFor();
  }
  await theirs.getByRole("button", { name: `Select provider ${ids[0]?.slice(0, 9)}` }).click();
  await other.page
    .locator(".selected")
    .getByText(ids[0] ?? "", { exact: true })
    .waitFor();
  await mine.getByRole("button", { name: "Withdraw", exact: true }).click();
  await mine.getByText("This node provides it no more.").waitFor();
  await theirs.getByRole("button", { name: "Find", exact: true }).click();
  await theirs.getByText("0 providers", { exact: true }).waitFor();
  assert.deepEqual([...own.faults, ...other.faults], []);
});

browserTest("filters events, and the Tab key passes them, peers and steps in one go", async (t) => {
  const { url, ids } = await startSwarm(t);
  const { page, faults } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  const events = page.locator(".events");
  const filter = events.getByRole("searchbox", { name: /^Filter events/ });
  const lines = events.locator("li");
  await lines.filter({ hasText: "connection opened" }).first().waitFor();
  // By words of the name and by an id that is not shown whole.
  const id = ids[1] ?? "";
  await filter.fill(`peer appeared ${id}`);
  await page.waitForFunction(() => document.querySelectorAll(".events li").length === 1);
  await lines
    .filter({ hasText: "peer appeared" })
    .filter({ hasText: id.slice(0, 9) })
    .waitFor();
  await events.getByText(/^1 of \d+$/).waitFor();
  await filter.fill("nothing of the kind");
  await events.getByText("No event has all of that in it.").waitFor();
  await filter.fill("");
  await lines.nth(nodes).waitFor();
  const lookup = page.locator(".lookup");
  await lookup.getByRole("textbox").fill(id);
  await lookup.getByRole("button", { name: "Look up" }).click();
  await lookup.getByText("The lookup ended").waitFor();
  // Round the page once: each list is a stop, or two where it scrolls.
  await page.locator(".status button").first().focus();
  const stops: string[] = [];
  for (let i = 0; i < 120; i++) {
    await page.keyboard.press("Tab");
    const { name, panel } = await focused(page);
    if (panel === "" && i > 5) break;
    stops.push(`${panel} ${name}`);
  }
  const stopsIn = (panel: string, name: RegExp): number =>
    stops.filter((stop) => stop.startsWith(`panel ${panel} `) && name.test(stop.slice(`panel ${panel} `.length)))
      .length;
  assert.equal(stopsIn("events", /^Select @/), 1);
  assert.equal(stopsIn("peers", /^Select @/), 1);
  assert.equal(stopsIn("buckets", /^Bucket of/), 1);
  assert.equal(stopsIn("lookup", /(asked|answered|The lookup ended)/), 1);
  // Arrow keys go on from there.
  await page.locator(".events li button").first().focus();
  await page.keyboard.press("End");
  const last = await page.locator(".events li button").last().getAttribute("aria-label");
  assert.equal((await focused(page)).name, last);
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  assert.equal(
    await page
      .locator(".events li button")
      .nth(1)
      .evaluate((at) => at === document.activeElement),
    true,
  );
  await page.keyboard.press("Tab");
  assert.ok(!(await focused(page)).panel.includes("events"));
  assert.deepEqual(faults, []);
});

browserTest("shows what is chosen where colours are forced", async (t) => {
  const { url } = await startSwarm(t);
  const { page } = await openTab(await launchChromium(t), { forcedColors: "active" });
  await openDashboard(page, url);
  await page.locator(".peers tbody tr td").first().click();
  await page.locator(".peers tr.is-selected").waitFor();
  await page.locator(".swarm button").nth(1).waitFor();
  const looks = (selector: string) =>
    page.locator(selector).evaluateAll((all) => {
      const styles = all.map((each) => getComputedStyle(each));
      return [...new Set(styles.map(({ color, backgroundColor }) => `${color} on ${backgroundColor}`))];
    });
  // As the browser's own controls have it.
  const highlighted = await page.evaluate(() => {
    const probe = document.body.appendChild(document.createElement("p"));
    probe.style.cssText = "color: HighlightText; background: Highlight; forced-color-adjust: none";
    const { color, backgroundColor } = getComputedStyle(probe);
    probe.remove();
    return `${color} on ${backgroundColor}`;
  });
  const primary = await looks("button.primary");
  for (const [chosen, others] of [
    ['.swarm button[aria-pressed="true"]', '.swarm button[aria-pressed="false"]'],
    [".peers tr.is-selected td", ".peers tbody tr:not(.is-selected) td"],
  ] as const) {
    assert.deepEqual(await looks(chosen), [highlighted], chosen);
    const unchosen = await looks(others);
    assert.notDeepEqual(unchosen, []);
    assert.ok(!unchosen.includes(highlighted), others);
  }
  // What is written on a button is not of the colour of the button.
  for (const look of primary) assert.notEqual(look.split(" on ")[0], look.split(" on ")[1]);
});

browserTest("leads to the metrics of each node of a swarm", async (t) => {
  const { url, ids } = await startSwarm(t);
  const { page, faults } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  await page
    .locator(".swarm")
    .getByRole("button", { name: `2 ${ids[1]?.slice(0, 9)}` })
    .click();
  await page
    .locator(".status")
    .getByText(ids[1] ?? "", { exact: true })
    .waitFor();
  const link = page.getByRole("navigation").getByRole("link", { name: "Metrics" });
  assert.equal(
    await link.getAttribute("href"),
    `/api/nodes/${Buffer.from(ids[1]?.slice(1) ?? "", "base64").toString("base64url")}/metrics`,
  );
  assert.deepEqual(faults, []);
  await link.click();
  await page.getByText("dswarm_peers").first().waitFor();
});
