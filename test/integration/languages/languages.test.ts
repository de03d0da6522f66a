// One swarm, programs in three languages: each calls the services of the other two. Clients that only dial are called on the
// connection that they dialed, by the node at its other end: a relay, which passes calls on to the peer that their metadata names.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import type { HandlerContext } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { createNode } from "../../../src/create-node.ts";

const python = "clients/python/.venv/bin/python";
const goModule = "clients/go";

/** Why the test cannot run here. Where everything is to be tested, that is a failure. */
function missing(): string | undefined {
  if (!existsSync(python)) return "clients/python has no .venv: clients/python/test.sh makes it";
  try {
    execFileSync("go", ["version"], { stdio: "ignore" });
  } catch {
    return "there is no go";
  }
  return undefined;
}

/** A program that prints a line for each that it is given, after its id. */
class Member {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(t: TestContext, command: string, args: readonly string[], cwd = ".") {
    const child = spawn(command, args, { cwd, stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    t.after(async () => {
      if (child.exitCode !== null) return;
      const exit = once(child, "exit");
      child.stdin.end();
      await exit;
    });
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    assert.notEqual(done, true, `${this.#child.spawnfile} has ended`);
    return value;
  }

  ask(peer: string, words: string): Promise<string> {
    this.#child.stdin?.write(`${peer} ${words}\n`);
    return this.line();
  }
}

/** A node that passes calls of EchoService on to the peer that the metadata names. */
async function startRelay(t: TestContext, network: string) {
  const relay = await createNode({ network, discovery: false });
  t.after(() => relay.close());
  const toPeer = ({ requestHeader }: HandlerContext) => relay.client(EchoService, requestHeader.get("peer") ?? "");
  relay.serve(EchoService, {
    echo: ({ payload }, context) => toPeer(context).echo({ payload }, { signal: context.signal }),
    converse: (requests, context) => toPeer(context).converse(requests, { signal: context.signal }),
  });
  return relay;
}

test("programs in TypeScript, Python and Go call one another's services through one swarm", async (t) => {
  const lack = missing();
  if (lack !== undefined && process.env["CI"] === undefined) return t.skip(lack);
  assert.equal(lack, undefined);
  const directory = mkdtempSync(join(tmpdir(), "dswarm-languages-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const goMember = join(directory, "member");
  execFileSync("go", ["build", "-o", goMember, "./internal/swarmmember"], { cwd: goModule, stdio: "inherit" });

  const network = `languages-${process.pid}`;
  const { address } = await startRelay(t, network);
  const members = {
    TypeScript: new Member(t, process.execPath, ["test/integration/languages/member-process.ts", address, network]),
    Python: new Member(t, resolve(python), ["-m", "tests.swarm_member", address, network], "clients/python"),
    Go: new Member(t, goMember, [address, network]),
  };
  const named = Object.entries(members);
  const ids = new Map<string, string>();
  for (const [name, member] of named) ids.set(name, await member.line());

  let calls = 0;
  for (const [caller, member] of named) {
    for (const [callee, id] of ids) {
      if (callee === caller) continue;
      const answer = `${caller} asks by ${callee}`;
      assert.equal(await member.ask(id, `${caller} asks`), [answer, answer, answer].join(", "));
      calls += 1;
    }
  }
  assert.equal(calls, 6);
});
