// Calls of a peer's services from the page: forms of their schemas, requests and answers of all four kinds.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Locator, Page } from "playwright-core";
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { MethodKind } from "../../gen/dswarm/v1/node_pb.ts";
import { dashboardDirectory } from "../../src/api/pages.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import type { DswarmNode } from "../../src/node/node.ts";
import { nodeService, startApi } from "../integration/api/api-server.ts";
import { knows, startNode, testNetwork } from "../integration/node/rig.ts";
import { browserTest, launchChromium, openTab } from "./chromium.ts";

interface Pair {
  readonly node: DswarmNode;
  /** Serves EchoService. */
  readonly peer: DswarmNode;
  /** Ends the conversation that is under way. */
  readonly release: () => void;
  /** Resolves when a caller has left the conversation before its end. */
  readonly left: Promise<void>;
}

/** Two nodes that know one another. The peer answers each message of a conversation, and then keeps it open. */
async function startPair(t: TestContext): Promise<Pair> {
  const network = await testNetwork();
  const [node, peer] = [await startNode(t, network), await startNode(t, network)];
  const held = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  peer.serve(EchoService, {
    echo: ({ payload }) => {
      if (payload.length === 0) throw new ConnectError("there is nothing to echo", Code.FailedPrecondition);
      return { payload };
    },
    async *repeat({ payload, count }, { responseTrailer }) {
      responseTrailer.set("cost", "1");
      for (let index = 0; index < count; index++) yield { payload, index };
    },
    async collect(requests) {
      let count = 0;
      let bytes = 0n;
      for await (const { payload } of requests) {
        count += 1;
        bytes += BigInt(payload.length);
      }
      return { count, bytes };
    },
    async *converse(requests, { signal }) {
      for await (const { payload } of requests) yield { payload };
      signal.addEventListener("abort", () => left.resolve());
      await Promise.race([held.promise, left.promise]);
    },
  });
  await knows(node, peer.id);
  return { node, peer, release: held.resolve, left: left.promise };
}

/** Chooses a peer and a method of its EchoService, and returns the form. */
async function openForm(page: Page, peer: string, method: string): Promise<Locator> {
  const services = page.locator(".services");
  await page
    .locator(".peers")
    .getByRole("button", { name: `Select ${peer.slice(0, 9)}` })
    .click();
  await services.getByRole("button", { name: method, exact: true }).click();
  return services.getByRole("form", { name: `Call ${method}` });
}

async function call(form: Locator): Promise<void> {
  await form.getByRole("button", { name: "Call", exact: true }).click();
}

browserTest("calls methods of all four kinds", async (t) => {
  const { node, peer, release } = await startPair(t);
  const { page, faults } = await openTab(await launchChromium(t));
  await page.goto(node.url);
  const id = String(peer.id);

  const echo = await openForm(page, id, "Echo");
  await echo.getByRole("textbox", { name: "payload" }).fill("aGVsbG8=");
  await call(echo);
  await echo.locator("pre").filter({ hasText: '"aGVsbG8="' }).waitFor();

  // Bytes may be typed as text, too; what they were stays.
  await echo.getByRole("checkbox", { name: "as text" }).check();
  assert.equal(await echo.getByRole("textbox", { name: "payload" }).inputValue(), "hello");
  await echo.getByRole("textbox", { name: "payload" }).fill("grüß dich");
  await call(echo);
  await echo
    .locator("pre")
    .filter({ hasText: Buffer.from("grüß dich").toString("base64") })
    .waitFor();
  await echo.getByRole("checkbox", { name: "as text" }).uncheck();
  await echo.getByRole("textbox", { name: "payload" }).fill("//79");
  await echo.getByRole("checkbox", { name: "as text" }).check();
  assert.equal(await echo.getByRole("textbox", { name: "payload" }).inputValue(), "");

  const repeat = await openForm(page, id, "Repeat");
  await repeat.getByRole("textbox", { name: "count" }).fill("60");
  await call(repeat);
  await repeat
    .locator(".facts")
    .getByText("Answered after 60 messages, the last 50 are shown", { exact: true })
    .waitFor();

  // Many requests: one is there, others are added, and taken away again.
  const collect = await openForm(page, id, "Collect");
  const add = collect.getByRole("button", { name: "Add a message" });
  await add.click();
  await add.click();
  const payloads = collect.getByRole("textbox", { name: "payload" });
  for (const [i, payload] of ["YQ==", "YmI=", "Y2Nj"].entries()) await payloads.nth(i).fill(payload);
  await collect.getByRole("button", { name: "Remove Collect request 2" }).click();
  assert.equal(await payloads.nth(1).inputValue(), "Y2Nj");
  await call(collect);
  assert.deepEqual(JSON.parse(await collect.locator(".answer pre").innerText()), { count: 2, bytes: "4" });
  await collect.getByRole("button", { name: "Remove Collect request 1" }).click();
  await collect.getByRole("button", { name: "Remove Collect request 1" }).click();
  await call(collect);
  await collect.locator(".answer pre").filter({ hasText: '"count": 0' }).waitFor();

  // Answers are there while the call goes on.
  const converse = await openForm(page, id, "Converse");
  await converse.getByRole("button", { name: "Add a message" }).click();
  await converse.getByRole("textbox", { name: "payload" }).first().fill("YQ==");
  await call(converse);
  await converse.getByText("2 messages so far", { exact: true }).waitFor();
  assert.match(await converse.locator(".messages li").last().innerText(), /^#1.*"YQ=="/s);
  release();
  await converse.locator(".facts").getByText("Answered after 2 messages", { exact: true }).waitFor();
  assert.deepEqual(faults, []);
});

browserTest("a call that is cancelled ends at the peer, too", async (t) => {
  const { node, peer, left } = await startPair(t);
  const { page } = await openTab(await launchChromium(t));
  await page.goto(node.url);
  const form = await openForm(page, String(peer.id), "Converse");
  await call(form);
  await form.getByText("1 message so far", { exact: true }).waitFor();
  await form.getByRole("button", { name: "Cancel" }).click();
  await form.locator(".facts").getByText("Cancelled after 1 message", { exact: true }).waitFor();
  await left;
});

browserTest("the keyboard's focus is never lost on a button that goes or cannot be pressed now", async (t) => {
  const { node, peer } = await startPair(t);
  const { page } = await openTab(await launchChromium(t));
  await page.goto(node.url);
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  const form = await openForm(page, String(peer.id), "Converse");
  await form.getByRole("button", { name: "Remove Converse request 1" }).focus();
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Add a message");
  await page.keyboard.press("Enter");
  await form.getByRole("button", { name: "Call", exact: true }).focus();
  await page.keyboard.press("Enter");
  await form.getByText("1 message so far", { exact: true }).waitFor();
  assert.equal(await focused(), "Calling …");
  // It is under way: once more does nothing.
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Cancel");
  await page.keyboard.press("Enter");
  await form.locator(".facts").getByText("Cancelled after 1 message", { exact: true }).waitFor();
  assert.equal(await focused(), "Call");
  const lookup = page.locator(".lookup");
  await lookup.getByRole("button", { name: "Random" }).click();
  await lookup.getByRole("button", { name: "Look up" }).focus();
  await page.keyboard.press("Enter");
  await lookup.getByText("The lookup ended").waitFor();
  assert.equal(await focused(), "Look up");
  await lookup.getByRole("button", { name: "Step back" }).click();
  await lookup.getByRole("button", { name: "Step on" }).focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("Enter");
  assert.equal(await focused(), "›");
});

browserTest("says what is wrong with a request, and why a peer cannot be asked", async (t) => {
  const { node, peer } = await startPair(t);
  const { page } = await openTab(await launchChromium(t));
  await page.goto(node.url);
  const form = await openForm(page, String(peer.id), "Echo");
  await form.getByRole("textbox", { name: "payload" }).fill("no base64!");
  await call(form);
  await form
    .getByRole("alert")
    .filter({ hasText: /^invalid_argument: .*payload/ })
    .waitFor();
  await form.getByRole("textbox", { name: "payload" }).fill("");
  await call(form);
  await form
    .getByRole("alert")
    .filter({ hasText: "failed_precondition, says the peer: there is nothing to echo" })
    .waitFor();
  await peer.close();
  await call(form);
  await form
    .getByRole("alert")
    .filter({ hasText: /^(?:unavailable|not_found): / })
    .waitFor();
  const services = page.locator(".services");
  await services.getByRole("button", { name: "Ask again" }).click();
  await services
    .getByRole("alert")
    .filter({ hasText: /^(?:Unavailable|NotFound): / })
    .waitFor();
  await services.getByRole("button", { name: "Ask again" }).isEnabled();
});

browserTest("shows what can be called where the schema of one service cannot be had, or that of none", async (t) => {
  const peer = String(generateKeyPair().id);
  let isSilent = false;
  const { url } = await startApi(t, {
    pages: dashboardDirectory(),
    services: [
      nodeService({
        listPeers: () => ({ peers: [{ id: peer, addresses: ["127.0.0.1:1"] }] }),
        listServices: () => {
          if (isSilent) throw new ConnectError("the peer does not answer", Code.Unavailable);
          const error = { code: "invalid_argument", message: "the schema is not whole" };
          return {
            services: [
              { name: "a.Broken", error },
              {
                name: "b.Odd",
                methods: [{ name: "Say", kind: MethodKind.UNARY }],
                descriptors: new Uint8Array([1, 2]),
              },
            ],
          };
        },
      }),
    ],
  });
  const { page } = await openTab(await launchChromium(t));
  await page.goto(url);
  const form = await openForm(page, peer, "Say");
  const services = page.locator(".services");
  await services.locator(".service").filter({ hasText: "a.Broken" }).getByText("the schema is not whole").waitFor();
  await form.getByRole("alert").waitFor();
  isSilent = true;
  await services.getByRole("button", { name: "Ask again" }).click();
  await services.getByRole("alert").filter({ hasText: "Unavailable: the peer does not answer" }).waitFor();
});
