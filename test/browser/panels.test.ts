// The panels of the dashboard, one by one, in a real browser.
import assert from "node:assert/strict";
import { browserTest, launchChromium, openTab } from "./chromium.ts";
import { nodes, openDashboard, startSwarm } from "./swarm.ts";

browserTest("a click anywhere in a peer's row selects the peer", async (t) => {
  const { url, ids } = await startSwarm(t);
  const { page, faults } = await openTab(await launchChromium(t));
  await openDashboard(page, url);
  for (const id of ids.slice(1)) {
    const row = page.locator(".peers tbody tr").filter({ hasText: id.slice(0, 9) });
    await row
      .locator("td")
      .nth(nodes - 1)
      .click();
    await page.locator(".selected").getByText(id, { exact: true }).waitFor();
    await row.getByRole("button", { pressed: true }).waitFor();
  }
  assert.deepEqual(faults, []);
});
