// What the page says when something does not go well, and that it goes on afterwards.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { LookupStepKind } from "../../gen/dswarm/v1/node_pb.ts";
import { dashboardDirectory } from "../../src/api/pages.ts";
import { createNode } from "../../src/create-node.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import { nodeService, startApi } from "../integration/api/api-server.ts";
import { startNode } from "../integration/node/rig.ts";
import { browserTest, launchChromium, openTab } from "./chromium.ts";

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "dswarm-page-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

browserTest("says that the node is gone, and goes on by itself when it is back", async (t) => {
  const dataDir = await temporaryDirectory(t);
  const before = await createNode({ discovery: false, dataDir });
  const { page } = await openTab(await launchChromium(t));
  await page.goto(before.url);
  const status = page.locator(".status");
  await status.getByText("live", { exact: true }).waitFor();
  const { port } = before;
  await before.close();
  await status.getByText("no answer", { exact: true }).waitFor();
  await status.getByRole("alert").filter({ hasText: "The node does not answer." }).waitFor();
  // What was known stays to be read, and what is asked for now says why it fails.
  await status.getByText(String(before.id), { exact: true }).waitFor();
  await page.locator(".values").getByRole("button", { name: "Put" }).click();
  await page.locator(".values").getByRole("alert").filter({ hasText: "The node does not answer." }).waitFor();
  assert.equal(await page.getByRole("alert").count(), 2);
  await startNode(t, { discovery: false, dataDir, port });
  await status.getByText("live", { exact: true }).waitFor();
  assert.equal(await status.getByRole("alert").count(), 0);
  await page.locator(".values").getByRole("button", { name: "Put" }).click();
  // Events come again, too.
  await page.locator(".events li").filter({ hasText: "record stored" }).waitFor();
});

browserTest("a node that is alone says what can be done", async (t) => {
  const node = await startNode(t, { discovery: false });
  const { page, faults } = await openTab(await launchChromium(t));
  await page.goto(node.url);
  await page.locator(".peers").getByText("The node knows nobody yet.").waitFor();
  await page.locator(".records").getByText("The node keeps no records, and publishes none.").waitFor();
  await page.locator(".events").getByText("Nothing has happened yet.").waitFor();
  // What it serves itself is there to be read.
  await page
    .locator(".services li")
    .filter({ hasText: "Watch(HealthCheckRequest) → stream HealthCheckResponse" })
    .waitFor();
  assert.equal(await page.locator(".swarm").count(), 0);
  const lookup = page.locator(".lookup");
  await lookup.getByRole("button", { name: "Random" }).click();
  await lookup.getByRole("button", { name: "Look up" }).click();
  await lookup.getByText("The lookup ended").waitFor();
  assert.deepEqual(faults, []);
});

browserTest("keys that are none are refused with what a key looks like", async (t) => {
  const node = await startNode(t, { discovery: false });
  const { page } = await openTab(await launchChromium(t));
  await page.goto(node.url);
  const lookup = page.locator(".lookup");
  const key = lookup.getByRole("textbox");
  for (const text of ["nonsense", "&AAAA", `@${"A".repeat(43)}=`]) {
    await key.fill(text);
    await lookup.getByRole("button", { name: "Look up" }).click();
    await lookup.getByRole("alert").waitFor();
    await key.fill("");
    await lookup.getByRole("button", { name: "Random" }).click();
    await lookup.getByRole("button", { name: "Look up" }).click();
    await lookup.getByText("The lookup ended").waitFor();
    assert.equal(await lookup.getByRole("alert").count(), 0);
  }
  const values = page.locator(".values");
  await values.getByLabel("Key", { exact: true }).fill("&nonsense");
  await values.getByRole("button", { name: "Get" }).click();
  await values
    .getByRole("alert")
    .filter({ hasText: /^InvalidArgument: / })
    .waitFor();
  await values.getByLabel("Key", { exact: true }).fill("A".repeat(43));
  await values.getByRole("button", { name: "Get" }).click();
  await values
    .getByRole("alert")
    .filter({ hasText: /^NotFound: / })
    .waitFor();
});

browserTest("a lookup that fails shows how far it came", async (t) => {
  const peer = { id: String(generateKeyPair().id), distanceBits: 255 };
  const { url } = await startApi(t, {
    pages: dashboardDirectory(),
    services: [
      nodeService({
        async *traceLookup() {
          yield { kind: LookupStepKind.ASKED, peer, hop: 1 };
          throw new ConnectError("too many lookups", Code.ResourceExhausted);
        },
      }),
    ],
  });
  const { page } = await openTab(await launchChromium(t));
  await page.goto(url);
  const lookup = page.locator(".lookup");
  await lookup.getByRole("button", { name: "Random" }).click();
  await lookup.getByRole("button", { name: "Look up" }).click();
  await lookup.getByRole("alert").filter({ hasText: "ResourceExhausted: too many lookups" }).waitFor();
  await lookup.locator(".is-asked").waitFor();
  await lookup.getByRole("button", { name: "Look up" }).isEnabled();
});
