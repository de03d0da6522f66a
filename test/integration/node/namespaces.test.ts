// Nodes on all interfaces, each in a network namespace of its own: a veth pair joins the two, and nothing leaves them.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { type TestContext, test } from "node:test";
import { type ChildNode, spawnChild } from "./child-node.ts";
import { testNetwork, until } from "./rig.ts";

const addresses = ["10.99.0.1", "10.99.0.2"] as const;
const token = "a-token-of-the-test";

/** Starts `cat` in namespaces of its own; it holds them until its stdin ends, which it does with this process. */
async function holdNamespace(t: TestContext, command: string, ...args: readonly string[]): Promise<number> {
  const holder: ChildProcess = spawn(command, [...args, "cat"], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => holder.kill("SIGKILL"));
  let isReady = false;
  holder.stdout?.once("data", () => {
    isReady = true;
  });
  holder.stdin?.write("ready\n");
  await until("the namespace is there", () => isReady || holder.exitCode !== null);
  assert.equal(holder.exitCode, null);
  return holder.pid ?? assert.fail("the holder did not start");
}

/** Why there can be no namespaces here; undefined where there can. */
function obstacle(): string | undefined {
  try {
    execFileSync("unshare", ["-rn", "ip", "link"], { stdio: "pipe" });
    execFileSync("nsenter", ["--version"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made here: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
}

/** What runs a command in the namespaces of a process. */
function enter(pid: number): readonly [string, ...string[]] {
  return ["nsenter", "--preserve-credentials", "-U", "-n", "-t", `${pid}`];
}

function run(pid: number, ...args: readonly string[]): string {
  const [command, ...rest] = enter(pid);
  return execFileSync(command, [...rest, ...args], { stdio: "pipe", encoding: "utf8" });
}

async function makeNamespaces(t: TestContext): Promise<readonly [number, number]> {
  const first = await holdNamespace(t, "unshare", "-rn");
  const second = await holdNamespace(t, ...enter(first), "unshare", "-n");
  run(first, "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", `${second}`);
  for (const [i, pid] of [first, second].entries()) {
    run(pid, "ip", "address", "add", `${addresses[i]}/24`, "dev", "veth0");
    run(pid, "ip", "link", "set", "veth0", "up");
    run(pid, "ip", "link", "set", "lo", "up");
  }
  // The kernel takes a moment to see that the cable has two ends.
  const isUp = (pid: number): boolean => run(pid, "ip", "link", "show", "veth0").includes("LOWER_UP");
  await until("the pair is up", () => isUp(first) && isUp(second));
  return [first, second];
}

async function get(child: ChildNode, url: string, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const before = child.all("got").length;
  child.command({ command: "get", url, headers });
  await until("it is answered", () => child.all("got").length > before);
  return child.all("got").at(-1)?.["status"];
}

test("nodes on all interfaces find and ping each other, and keep their API to their own machine", async (t) => {
  const why = obstacle();
  if (why !== undefined) {
    t.skip(why);
    return;
  }
  const namespaces = await makeNamespaces(t);
  const options = { ...(await testNetwork()), host: "0.0.0.0" };
  const open = spawnChild(t, options, enter(namespaces[0]));
  const guarded = spawnChild(t, { ...options, api: { token } }, enter(namespaces[1]));
  for (const [child, other, i] of [
    [open, guarded, 0],
    [guarded, open, 1],
  ] as const) {
    await child.told("listening");
    await other.told("listening");
    assert.ok(child.address.endsWith(`@${addresses[i]}:${child.port}`), child.address);
    await child.told("peer", { id: other.id });
    child.command({ command: "ping", peer: other.id });
    const pong = await child.told("pong");
    assert.match(String(pong["address"]), /^10\.99\.0\.[12]:\d+$/);
  }
  // Of two addresses of one machine, the one that others can use, too, is taken: it is what they are told.
  const beside = spawnChild(t, options, enter(namespaces[0]));
  await beside.told("listening");
  await beside.told("peer", { id: open.id });
  beside.command({ command: "ping", peer: open.id });
  assert.match(String((await beside.told("pong"))["address"]), /^10\.99\.0\.1:\d+$/);
  const urls = {
    open: `https://${addresses[0]}:${open.port}/api/status`,
    guarded: `https://${addresses[1]}:${guarded.port}/api/status`,
  };
  assert.equal(await get(guarded, urls.open), 403);
  assert.equal(await get(open, `https://127.0.0.1:${open.port}/api/status`), 200);
  assert.equal(await get(open, urls.guarded), 401);
  assert.equal(await get(open, urls.guarded, { Authorization: `Bearer ${token}` }), 200);
  for (const child of [open, guarded, beside]) {
    child.command({ command: "close" });
    await child.ended();
    child.assertUnharmed();
  }
});
