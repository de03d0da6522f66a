// What an open dashboard costs its node: the share of a core that the node's process takes with the page open in Chromium and
// nobody touching it, and without. Nine other nodes are around, in another process.
//
// Usage: node bench/dashboard.ts [--seconds N]      (default: 30, about 80 s in all)
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { launchChromium, openTab } from "../test/browser/chromium.ts";

const others = 9;
const settleMs = 10_000;
// What Linux counts processor time in, whatever its own timer does.
const ticksPerSecond = 100;

const { values: options } = parseArgs({ options: { seconds: { type: "string", default: "30" } } });
const seconds = Number(options.seconds);
if (!(seconds >= 1)) throw new RangeError(`--seconds is a number from 1, not ${options.seconds}`);

const directory = mkdtempSync(join(tmpdir(), "dswarm-bench-"));
const children: ChildProcess[] = [];

function dswarm(...args: readonly string[]): ChildProcess {
  const main = join(import.meta.dirname, "../src/cli/main.ts");
  const flags = ["--json", "--network=bench-dashboard", "--udp-port=25921"];
  const child = spawn(process.execPath, [main, ...args, ...flags], {
    env: { ...process.env, XDG_RUNTIME_DIR: directory },
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

/** The "listening" event of a node. */
async function listening(child: ChildProcess): Promise<{ readonly url: string }> {
  if (child.stdout === null) throw new Error("no stdout");
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event === "listening") {
      child.stdout.resume();
      return event;
    }
  }
  throw new Error("the node has ended");
}

function cpuSeconds(pid: number): number {
  // Fields 14 and 15 of proc(5), utime and stime, counted after the name, which may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

async function shareOfCore(pid: number): Promise<string> {
  const before = cpuSeconds(pid);
  await sleep(seconds * 1000);
  return `${(((cpuSeconds(pid) - before) / seconds) * 100).toFixed(2)} %`;
}

try {
  const node = dswarm("start");
  const { url } = await listening(node);
  await listening(dswarm("swarm", "-n", `${others}`));
  await sleep(settleMs);
  const pid = node.pid ?? 0;
  const without = await shareOfCore(pid);
  const browser = await launchChromium(undefined);
  const { page } = await openTab(browser);
  await page.goto(url);
  await page.getByText("live", { exact: true }).waitFor();
  await sleep(settleMs);
  const open = await shareOfCore(pid);
  await browser.close();
  process.stdout.write(`of a core, over ${seconds} s: ${without} without the page, ${open} with it open\n`);
} finally {
  for (const child of children) child.kill("SIGINT");
  await Promise.all(children.filter(({ exitCode }) => exitCode === null).map((child) => once(child, "exit")));
  rmSync(directory, { recursive: true, force: true });
}
