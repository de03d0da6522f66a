// Nodes that come and go on the page of a swarm, and who keeps what.
import assert from "node:assert/strict";
import { browserTest, launchChromium, openTab } from "./chromium.ts";
import { nodes, openDashboard, startSwarm } from "./swarm.ts";

browserTest("adds a node to the swarm, and stops one", async (t) => {
  const { url, ids } = await startSwarm(t);
  const { page, faults } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  const swarm = page.locator(".swarm");
  const member = (index: number) => swarm.getByRole("button", { name: new RegExp(`^${index} @`) });
  await swarm.getByText(`${nodes} nodes`, { exact: true }).waitFor();
  // The node that serves the page is not stopped from it.
  const stopOwn = swarm.getByRole("button", { name: "Stop node 1", exact: true });
  assert.equal(await stopOwn.getAttribute("aria-disabled"), "true");
  await swarm.getByRole("button", { name: "Add a node", exact: true }).click();
  await swarm.getByText(`${nodes + 1} nodes`, { exact: true }).waitFor();
  await member(nodes + 1).click();
  // It is looked at like the others, and knows them.
  for (const id of ids) {
    await page
      .locator(".peers tbody tr")
      .filter({ hasText: id.slice(0, 9) })
      .waitFor();
  }
  await member(2).click();
  await page
    .locator(".status")
    .getByText(ids[1] ?? "", { exact: true })
    .waitFor();
  await swarm.getByRole("button", { name: "Stop node 2", exact: true }).click();
  await member(2).waitFor({ state: "detached" });
  await swarm.getByText(`${nodes} nodes`, { exact: true }).waitFor();
  // What is shown is the node that serves the page, and nothing is said to be wrong.
  await page
    .locator(".status")
    .getByText(ids[0] ?? "", { exact: true })
    .waitFor();
  assert.equal(await page.getByRole("alert").count(), 0);
  assert.deepEqual(faults, []);
});

browserTest("shows who keeps a key, of values and of records", async (t) => {
  const { url, ids } = await startSwarm(t);
  const { page, faults } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  await page
    .locator(".buckets")
    .getByText(`${nodes - 1} contacts`, { exact: true })
    .waitFor();
  await page.getByLabel("Value", { exact: true }).fill("kept by all");
  await page.getByRole("button", { name: "Put", exact: true }).click();
  await page.locator(".values .answer").waitFor();
  const get = page.getByRole("form", { name: "Get and watch" });
  await get.getByRole("button", { name: "Who keeps it", exact: true }).click();
  await get.getByText(`${nodes} of the ${nodes} closest nodes keep it`, { exact: true }).waitFor();
  const closest = get.getByRole("list", { name: "The closest nodes" });
  for (const id of ids) await closest.getByRole("button", { name: `Select ${id.slice(0, 9)}` }).waitFor();
  await closest.getByText("this node · keeps it").waitFor();
  await closest.getByRole("button", { name: `Select ${ids[2]?.slice(0, 9)}` }).click();
  await page
    .locator(".selected")
    .getByText(ids[2] ?? "", { exact: true })
    .waitFor();
  // Of a key under which there is nothing, the closest nodes are told all the same.
  await get.getByLabel("Key", { exact: true }).fill(`&${Buffer.alloc(32, 9).toString("base64")}`);
  await closest.waitFor({ state: "detached" });
  await get.getByRole("button", { name: "Who keeps it", exact: true }).click();
  await get.getByText(`0 of the ${nodes} closest nodes keep it`, { exact: true }).waitFor();
  const records = page.locator(".records");
  await records.locator("tbody tr").first().click();
  await records.getByRole("button", { name: "Who keeps it", exact: true }).click();
  await records.getByText(`${nodes} of the ${nodes} closest nodes keep it`, { exact: true }).waitFor();
  assert.deepEqual(faults, []);
});
