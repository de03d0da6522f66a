// A process of a swarm. Usage: node lib/swarm-process.ts OWN-NODES ALL-NODES UDP-PORT
// Prints a line of JSON when its nodes listen, and one when each of them knows all others.
import { createNode } from "../../src/index.ts";

const [own = 1, all = 1, udpPort = 1] = process.argv.slice(2).map(Number);

const nodes = await Promise.all(
  Array.from({ length: own }, () =>
    createNode({
      discovery: { udpPort },
      // The benchmark asks faster than a person.
      api: { requestsPerSecond: 100_000, requestBurst: 100_000 },
    }),
  ),
);
const urls = nodes.map(({ url }) => url);
let isComplete = false;

function check(): void {
  if (isComplete || nodes.some(({ peers }) => peers.size < all - 1)) return;
  isComplete = true;
  tell("complete");
}

function tell(event: string): void {
  process.stdout.write(`${JSON.stringify({ event, urls })}\n`);
}

tell("listening");
for (const node of nodes) node.on("peer", check);
check();
// The benchmark is gone.
process.stdin.on("end", () => process.exit(0)).resume();
