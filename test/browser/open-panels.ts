// Fills and opens what the panels have: for the check of accessibility and for the pictures of docs/.
import type { Page } from "playwright-core";

/** What is put, provided and filtered. */
export interface PanelTexts {
  /** Value that the node signs. */
  readonly value: string;
  readonly salt: string;
  /** Name of what the node provides. */
  readonly provided: string;
  /** Words of the events that stay. */
  readonly filter: string;
}

/** Opens all k-buckets. */
export async function openBuckets(page: Page): Promise<void> {
  const closed = page.locator(".buckets").getByRole("button", { expanded: false });
  while ((await closed.count()) > 0) await closed.first().click();
}

/**
 * Puts a value under the node's own key, asks who keeps it and watches it, provides something and finds it, opens the record and filters
 * the events.
 * @param id of the node that is looked at
 */
export async function openPanels(page: Page, id: string, { value, salt, provided, filter }: PanelTexts): Promise<void> {
  const put = page.getByRole("form", { name: "Put", exact: true });
  await put.getByLabel(/own key/).check();
  await put.getByLabel("Value", { exact: true }).fill(value);
  await put.getByLabel(/^Salt/).fill(salt);
  await put.getByRole("button", { name: "Put", exact: true }).click();
  await put.getByText(/^Sequence \d+, kept by/).waitFor();
  const key = await put.locator(".answer code").innerText();
  const get = page.getByRole("form", { name: "Get and watch" });
  await get.getByLabel("Key", { exact: true }).fill(id);
  await get.getByLabel(/^Salt/).fill(salt);
  await get.getByRole("button", { name: "Watch", exact: true }).click();
  await get.locator(".messages li").first().waitFor();
  await get.getByRole("button", { name: "Who keeps it" }).click();
  await get.getByText(/^\d+ of the \d+ closest nodes? keep it$/).waitFor();
  const providers = page.locator(".providers");
  await providers.getByRole("textbox").fill(provided);
  await providers.getByRole("button", { name: "Provide", exact: true }).click();
  await providers.getByText(/^This node provides it\. That is kept by/).waitFor();
  await providers.getByRole("button", { name: "Find", exact: true }).click();
  await providers.getByText("1 provider", { exact: true }).waitFor();
  const records = page.locator(".records");
  await records
    .locator("tbody tr")
    .filter({ hasText: key.slice(0, 9) })
    .first()
    .click();
  const card = records.getByRole("region", { name: "Record", exact: true });
  await card.locator("pre").waitFor();
  const events = page.locator(".events");
  await events.getByRole("searchbox").fill(filter);
  await events.getByText(/^\d+ of \d+$/).waitFor();
}
