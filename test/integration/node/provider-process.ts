// A process with a node that provides EchoService. Arguments: the address of a peer, a file to which it adds a line for each call that it
// runs, and the hex of its seed. It prints a JSON line an event, ends when its stdin does, and goes in the midst of calls as they say.
import { openSync, writeSync } from "node:fs";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { createNode } from "../../../src/create-node.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { parsePeerAddress } from "../../../src/identity/peer-address.ts";
import { silentLogger } from "../../../src/util/log.ts";
import { decodeOrder } from "./provider-order.ts";

const [bootstrap = "", path = "", seed = ""] = process.argv.slice(2);
const runs = openSync(path, "a");
const killSelf = (): void => void process.kill(process.pid, "SIGKILL");
const forever = new Promise<never>(() => undefined);

function print(event: object): void {
  // At once, as the process may end with the next line.
  writeSync(1, `${JSON.stringify(event)}\n`);
}

async function take(payload: Uint8Array): Promise<Uint8Array> {
  const { call, order } = decodeOrder(payload);
  if (order === "wait") {
    print({ event: "waits", call });
    return forever;
  }
  writeSync(runs, `${call}\n`);
  if (order === "run and wait") {
    print({ event: "waits", call });
    return forever;
  }
  if (order === "run and go") killSelf();
  if (order === "answer and go") setImmediate(killSelf);
  return node.id.bytes;
}

process.stdin.once("end", () => process.exit(2)).resume();
const { id, host, port } = parsePeerAddress(bootstrap);
const node = await createNode({
  keys: keyPairFromSeed(Buffer.from(seed, "hex")),
  discovery: false,
  api: false,
  bootstrap: [bootstrap],
  logger: silentLogger,
});
node.serve(EchoService, {
  echo: async ({ payload }) => ({ payload: await take(payload) }),
  async *repeat({ payload }) {
    yield { payload: await take(payload) };
  },
  async collect(requests) {
    for await (const { payload } of requests) await take(payload);
    return {};
  },
});
await node.dht.bootstrap([{ id, addresses: [{ host, port }] }]);
await node.provide(EchoService);
print({ event: "listening", id: node.id.toString(), port: node.port, address: node.address });
