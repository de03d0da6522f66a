// A server for the benchmark: node node-server.ts dswarm | grpc-js. The stacks are those of bench/stacks. Prints the address, and
// ends with its stdin.
import { once } from "node:events";
import type { Stack } from "../../../bench/lib/stack.ts";

const { stack } = (await import(`../../../bench/stacks/${process.argv[2]}.ts`)) as { stack: Stack };
const server = await stack.startServer();
console.log(server.address);
await once(process.stdin.resume(), "end");
await server.close();
