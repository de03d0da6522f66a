// A node that serves EchoService of all four kinds. It prints its address, and obeys a line a command on stdin: "call KEY" has
// it call the peer's EchoService back, in all four kinds, and print "called" or "failed" and why; "provide" has it be found in the DHT. It ends with its stdin. Its options
// are those of createNode; `seed` stands for keys, in hex.
import { createInterface } from "node:readline";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { createNode, keyPairFromSeed } from "../../../src/index.ts";

const { seed, ...options } = JSON.parse(process.argv[2] ?? "{}");
const keys = seed === undefined ? {} : { keys: keyPairFromSeed(Buffer.from(seed, "hex")) };
const node = await createNode({ ...options, ...keys });
node.serve(EchoService, {
  echo: ({ payload }, context) => {
    for (const [key, value] of context.requestHeader) {
      if (key.startsWith("x-")) {
        context.responseHeader.append(key, value);
        context.responseTrailer.append(key, value);
      }
    }
    const text = new TextDecoder().decode(payload.subarray(0, 16));
    if (text === "fail") throw new Error("failed as asked");
    if (text === "hang") return new Promise((_, reject) => context.signal.addEventListener("abort", reject));
    return { payload };
  },
  async *repeat({ payload, count }) {
    for (let index = 0; index < count; index++) yield { payload, index };
  },
  async collect(requests) {
    let [count, bytes] = [0, 0n];
    for await (const { payload } of requests) {
      count++;
      bytes += BigInt(payload.length);
    }
    return { count, bytes };
  },
  async *converse(requests) {
    for await (const { payload } of requests) yield { payload };
  },
});

async function* payloads(sizes: readonly number[]): AsyncGenerator<{ payload: Uint8Array }> {
  for (const size of sizes) yield { payload: new Uint8Array(size).fill(size % 251) };
}

async function callBack(key: string): Promise<void> {
  const client = node.client(EchoService, key);
  const sizes = [0, 1, 70_000, 1_000_000];
  const total = sizes.reduce((sum, size) => sum + size, 0);
  for await (const { payload } of payloads(sizes)) {
    const answer = await client.echo({ payload });
    if (Buffer.compare(answer.payload, payload) !== 0) throw new Error("another echo");
  }
  let answers = 0;
  for await (const { index } of client.repeat({ payload: new Uint8Array(50_000), count: 20 })) answers += index;
  if (answers !== 190) throw new Error(`repeat: ${answers}`);
  const collected = await client.collect(payloads(sizes));
  if (collected.count !== sizes.length || collected.bytes !== BigInt(total)) throw new Error("collect");
  let bytes = 0;
  for await (const { payload } of client.converse(payloads(sizes))) bytes += payload.length;
  if (bytes !== total) throw new Error(`converse: ${bytes}`);
}

async function obey(line: string): Promise<string> {
  if (line === "provide") {
    await node.provide(EchoService);
    return "provided";
  }
  await callBack(line.replace(/^call /, ""));
  return "called";
}

console.log(node.address);
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(await obey(line));
  } catch (error) {
    // In one line: the reader takes one as the answer.
    console.log("failed", String(error).replaceAll("\n", " "));
  }
}
await node.close();
