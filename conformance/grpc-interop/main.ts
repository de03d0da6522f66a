// npm run conformance:grpc
//
// Runs gRPC's interoperability cases with dswarm's client against dswarm's server, each node with a socket of its own.
import { createNode } from "../../src/index.ts";
import { TestService, UnimplementedService } from "../gen/grpc/testing/test_pb.ts";
import { cases } from "./cases.ts";
import { testService } from "./test-service.ts";

const caseDeadlineMs = 60_000;
const caseCount = 14;
const options = { network: "conformance", discovery: false } as const;

await using server = await createNode(options);
await using caller = await createNode(options);
server.serve(TestService, testService);
// The cases are about calls, not about connecting.
await caller.ping(server.address);
const clients = {
  test: caller.client(TestService, server.address),
  unimplemented: caller.client(UnimplementedService, server.address),
};

async function runCase(name: string, run: (typeof cases)[string]): Promise<boolean> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("it takes too long")), caseDeadlineMs);
  try {
    await Promise.race([run(clients), late.promise]);
    console.log(`passed  ${name}`);
    return true;
  } catch (error) {
    console.log(`failed  ${name}:`, error);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

let passed = 0;
for (const [name, run] of Object.entries(cases)) if (await runCase(name, run)) passed += 1;
console.log(`${passed} of ${caseCount} passed`);
if (passed !== caseCount) process.exitCode = 1;
