// node examples/echo.ts
//
// Two nodes in one process; one calls the other by its public key alone. No address is passed between them: they hear of each
// other by multicast on the loopback interface.
import { once } from "node:events";
import { EchoService } from "../gen/dswarm/example/v1/echo_pb.ts";
import { createNode } from "../src/index.ts";

await using server = await createNode();
server.serve(EchoService, {
  echo: (request) => ({ payload: request.payload }),
});

await using caller = await createNode();
while (caller.peers.get(server.id) === undefined) await once(caller, "peer");

const client = caller.client(EchoService, server.id);
const { payload } = await client.echo({ payload: new TextEncoder().encode("Hello, peer!") });
console.log(`${server.id.toString()} answers: ${new TextDecoder().decode(payload)}`);
