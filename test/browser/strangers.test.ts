// Pages of others, in a real browser: they read nothing of a node and do nothing with it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from "node:net";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createCertificate } from "../../src/channel/tls.ts";
import type { DswarmNode } from "../../src/node/node.ts";
import { startNode } from "../integration/node/rig.ts";
import { attack } from "./attacks.ts";
import { browserTest, launchChromium, openTab } from "./chromium.ts";
import { letIn } from "./let-in.ts";
import type { NonLoopbackReport } from "./non-loopback-process.ts";

// The browser takes these names for 127.0.0.1, as a hostile name server would have it.
const evilHost = "evil.example";
const reboundHost = "rebound.example";
const resolverRules = `--host-resolver-rules=MAP ${evilHost} 127.0.0.1, MAP ${reboundHost} 127.0.0.1`;

const attackersPage: RequestListener = (_request, response) => {
  response.writeHead(200, { "Content-Type": "text/html", Connection: "close" });
  response.end("<!doctype html><title>attacker</title><link rel=icon href=data:,><p>attacker");
};

/** Listens on a free port of 127.0.0.1 until the test ends. */
async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  // Of a server that listens on TCP; Node's type allows for pipes.
  return (server.address() as AddressInfo).port;
}

// Without the rate limit, which would turn pages away for a reason of its own.
const unlimited = {
  discovery: false,
  httpPort: 0,
  api: { requestsPerSecond: 100_000, requestBurst: 100_000 },
} as const;

/** What holds for the port with TLS and for the one without. */
const doors = [
  { what: "https", url: ({ url }: DswarmNode) => url },
  { what: "plain http", url: ({ httpUrl }: DswarmNode) => httpUrl ?? assert.fail("no port without TLS") },
];

for (const { what, url } of doors) {
  browserTest(`a page on another origin reads nothing and does nothing, by ${what}`, async (t) => {
    const node = await startNode(t, unlimited);
    const attackers = [
      { scheme: "https", server: createServer(await createCertificate(), attackersPage) },
      { scheme: "http", server: createHttpServer(attackersPage) },
    ];
    const browser = await launchChromium(t, [resolverRules]);
    for (const { scheme, server } of attackers) {
      const port = await listen(t, server);
      for (const host of [evilHost, "localhost", "127.0.0.1"]) {
        const { page, context } = await openTab(browser);
        await page.goto(`${scheme}://${host}:${port}/`);
        const before = node.counters.get("api.requests");
        const { tried, read } = await attack(page, url(node));
        assert.deepEqual(read, {}, `${scheme}://${host}`);
        assert.ok(tried.length > 20);
        // They did arrive, or nothing would be shown.
        assert.ok(node.counters.get("api.requests") > before + 15, `${node.counters.get("api.requests") - before}`);
        await context.close();
      }
    }
    assert.equal(letIn(node.counters), 0);
    assert.equal(node.counters.get("handshake.ok"), 0);
    assert.equal(node.dht.store.size, 0);
  });

  browserTest(`a link on another site does not open the API, by ${what}`, async (t) => {
    const node = await startNode(t, unlimited);
    const port = await listen(t, createServer(await createCertificate(), attackersPage));
    const { page } = await openTab(await launchChromium(t, [resolverRules]));
    await page.goto(`https://${evilHost}:${port}/`);
    await page.evaluate(
      (address) => {
        const link = document.createElement("a");
        Object.assign(link, { href: address, textContent: "prize" });
        document.body.append(link);
      },
      `${url(node)}/api/ping`,
    );
    const navigated = page.waitForResponse((response) => response.url().endsWith("/api/ping"));
    await page.getByText("prize").click();
    const answer = await navigated;
    assert.equal(answer.status(), 403);
    assert.match(await answer.text(), /"permission_denied"/);
  });

  browserTest(`a host name that is rebound to the node reads nothing and does nothing, by ${what}`, async (t) => {
    const node = await startNode(t, unlimited);
    const target = new URL(url(node));
    const isPlain = target.protocol === "http:";
    const attackersPort = await listen(
      t,
      isPlain ? createHttpServer(attackersPage) : createServer(await createCertificate(), attackersPage),
    );
    // The page comes from the attacker; then the same name and port lead to the node. To the browser it is one origin.
    let isRebound = false;
    const door = createTcpServer((socket) => {
      const through = connect(isRebound ? Number(target.port) : attackersPort, "127.0.0.1");
      socket.on("error", () => through.destroy()).pipe(through);
      through.on("error", () => socket.destroy()).pipe(socket);
    });
    const port = await listen(t, door);
    const { page } = await openTab(await launchChromium(t, [resolverRules]));
    const origin = `${target.protocol}//${reboundHost}:${port}`;
    await page.goto(`${origin}/`);
    assert.equal(await page.title(), "attacker");
    isRebound = true;
    const { read } = await attack(page, origin);
    // Of its own origin the browser lets the page read all there is: refusals that tell nothing.
    assert.ok(read["GET /api/status"] !== undefined);
    for (const [name, text] of Object.entries(read)) {
      const { code, message, ...rest } = JSON.parse(text);
      assert.equal(code, "permission_denied", name);
      assert.match(message, /Host header/);
      assert.deepEqual(rest, {});
    }
    assert.equal(letIn(node.counters), 0);
    assert.equal(node.counters.get("handshake.ok"), 0);
    assert.equal(node.dht.store.size, 0);
  });

  browserTest(`the node's own page works, and reads what others do not, by ${what}`, async (t) => {
    const node = await startNode(t, unlimited);
    const { page, faults } = await openTab(await launchChromium(t));
    await page.goto(`${url(node)}/`);
    const text = await page.evaluate(async () => (await fetch("/api/status")).text());
    assert.equal(JSON.parse(text).id, String(node.id));
    await page.locator(".status").getByText(String(node.id), { exact: true }).waitFor();
    const values = page.locator(".values");
    await values.getByLabel("Value").fill("by this door, too");
    await values.getByRole("button", { name: "Put" }).click();
    await page.locator(".events li").filter({ hasText: "record stored" }).waitFor();
    await values.locator(".answer").waitFor();
    await values.getByRole("button", { name: "Get" }).click();
    await values.locator("pre").filter({ hasText: "by this door, too" }).waitFor();
    assert.deepEqual(faults, []);
  });
}

browserTest("a browser that is not on loopback reads nothing without a token", async (t) => {
  const program = fileURLToPath(new URL("non-loopback-process.ts", import.meta.url));
  const run = promisify(execFile);
  try {
    await run("unshare", ["-rn", "ip", "link"]);
  } catch (error) {
    t.skip(`network namespaces cannot be made here: ${error instanceof Error ? error.message : String(error)}`);
    return;
  }
  const { stdout } = await run("unshare", ["-rn", process.execPath, program], { timeout: 120_000 });
  const { open, guarded }: NonLoopbackReport = JSON.parse(stdout);
  assert.deepEqual(open.statuses, [403, 403, 403]);
  assert.match(open.text, /"permission_denied"/);
  assert.equal(open.letIn, 0);
  // With a token the page itself comes, which holds nothing of the node, and asks for it.
  assert.deepEqual(guarded.statuses, [200, 401, 401]);
  assert.match(guarded.text, /This node asks for a token/);
  assert.ok(!guarded.text.includes(guarded.id));
  assert.ok(guarded.textWithToken.includes(guarded.id));
});
