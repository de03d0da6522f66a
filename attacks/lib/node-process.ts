// A process with the node that is attacked. It measures what only the process itself can see: stalls of its event loop, and the
// bytes that the node counts as held for peers.
import { Code, ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { createNode } from "../../src/create-node.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { messageOf } from "../../src/util/errors.ts";
import { answerCommands } from "./child-process.ts";
import type { NodeFacts, NodeFigures, NodeSetup } from "./node-under-attack.ts";

const lookEveryMs = 10;
const loadEveryMs = 50;
const maxAnswers = 100_000;

const { seed, ...options }: Omit<NodeSetup, "execArgv" | "descriptors"> = JSON.parse(process.argv[2] ?? "{}");
const node = await createNode({
  ...options,
  ...(seed !== undefined && { keys: keyPairFromSeed(Buffer.from(seed, "hex")) }),
});
node.serve(EchoService, {
  echo: ({ payload }) => ({ payload }),
  async *repeat({ payload, count }) {
    if (count > maxAnswers) throw new ConnectError("too many", Code.InvalidArgument);
    for (let index = 0; index < count; index++) yield { payload, index };
  },
  async collect(requests) {
    let [count, bytes] = [0, 0n];
    for await (const { payload } of requests) {
      count += 1;
      bytes += BigInt(payload.length);
    }
    return { count, bytes };
  },
  async *converse(requests) {
    for await (const { payload } of requests) yield { payload };
  },
});

/** The longest time between two looks of the loop, less what the loop did not run in it: other processes have that. */
let stallMs = 0;
let [lookedAt, cpuAt] = [performance.now(), cpuMs()];
setInterval(() => {
  const [now, cpu] = [performance.now(), cpuMs()];
  stallMs = Math.max(stallMs, Math.min(now - lookedAt, cpu - cpuAt) - lookEveryMs);
  [lookedAt, cpuAt] = [now, cpu];
}, lookEveryMs).unref();

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

let heldBytes = 0;
setInterval(() => {
  heldBytes = Math.max(heldBytes, node.load.heldBytes);
}, loadEveryMs).unref();

async function callProviders(): Promise<string> {
  try {
    await node.client(EchoService, undefined, { defaultTimeoutMs: 15_000 }).echo({ payload: new Uint8Array(8) });
    return "ok";
  } catch (error) {
    return messageOf(error);
  }
}

answerCommands({
  facts: (): NodeFacts => ({ id: node.id.toString(), port: node.port, address: node.address, pid: process.pid }),
  reset: () => {
    stallMs = 0;
    heldBytes = 0;
  },
  figures: (): NodeFigures => ({
    stallMs,
    heldBytes,
    contacts: node.dht.table.size,
  }),
  provide: async () => {
    await node.provide(EchoService);
  },
  callProviders,
  close: () => node.close(),
});
