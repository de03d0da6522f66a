// A TypeScript program in a swarm: a node that serves EchoService, and calls others through the relay, as those in Python and Go do.
//
// Arguments: the relay's address and network. Prints its id; for each line "KEY WORDS" on stdin it has Echo and Converse of that
// peer answer the words, and prints the answers.
import { createInterface } from "node:readline";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { createNode } from "../../../src/index.ts";

const [address = "", network = ""] = process.argv.slice(2);

function signed(payload: Uint8Array): { payload: Uint8Array } {
  return { payload: Buffer.concat([payload, Buffer.from(" by TypeScript")]) };
}

await using node = await createNode({ network, discovery: false });
node.serve(EchoService, {
  echo: ({ payload }) => signed(payload),
  async *converse(requests) {
    for await (const { payload } of requests) yield signed(payload);
  },
});
await node.ping(address);
console.log(node.id.toString());

const echo = node.client(EchoService, address);
for await (const line of createInterface({ input: process.stdin })) {
  const [peer = "", ...words] = line.split(" ");
  const payload = Buffer.from(words.join(" "));
  const options = { headers: { peer }, timeoutMs: 20_000 };
  async function* twice() {
    for (let i = 0; i < 2; i++) yield { payload };
  }
  try {
    const answers = [(await echo.echo({ payload }, options)).payload];
    for await (const answer of echo.converse(twice(), options)) answers.push(answer.payload);
    console.log(answers.map((answer) => Buffer.from(answer).toString()).join(", "));
  } catch (error) {
    console.log(`failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
