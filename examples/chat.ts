// node examples/chat.ts                    opens a room and prints its address
// node examples/chat.ts dswarm://…         enters it; type to speak, Ctrl-D leaves
//
// A bidirectional stream: what is typed goes out, what others say comes in, at the same time.
import { EventEmitter, on } from "node:events";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { ChatService } from "../gen/dswarm/example/v1/chat_pb.ts";
import { callerKey, createNode } from "../src/index.ts";

const [address] = process.argv.slice(2);
await using node = await createNode();

if (address === undefined) {
  const room = new EventEmitter<{ said: [{ from: string; text: string }] }>();
  room.setMaxListeners(0);
  node.serve(ChatService, {
    async *join(requests, { values, signal }) {
      const from = String(values.get(callerKey));
      const heard = on(room, "said", { signal });
      room.emit("said", { from, text: "(enters)" });
      const talking = (async () => {
        for await (const { text } of requests) room.emit("said", { from, text: text.slice(0, 4096) });
        await heard.return?.();
      })();
      try {
        for await (const [said] of heard) yield said;
        await talking;
      } finally {
        room.emit("said", { from, text: "(leaves)" });
      }
    },
  });
  room.on("said", ({ from, text }) => console.log(`${from.slice(0, 6)} ${text}`));
  console.log(`The room is open: ${node.address}`);
  await new Promise((resolve) => process.once("SIGINT", resolve).stdin.once("end", resolve).resume());
} else {
  const client = node.client(ChatService, address);
  const lines = createInterface({ input: process.stdin });
  const typed = Readable.from(lines).map((text) => ({ text }));
  for await (const { from, text } of client.join(typed)) console.log(`${from.slice(0, 6)} ${text}`);
}
