// The client under test of Connect's conformance suite: reads calls, makes them with dswarm's client, and tells their outcomes.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createNode } from "../../src/index.ts";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { ConformanceService } from "../gen/connectrpc/conformance/v1/service_pb.ts";
import { delimited, readDelimited } from "./delimited.ts";
import { invoke } from "./invoke.ts";
import { nodeOptions, serverAddress } from "./peers.ts";

await using node = await createNode(nodeOptions);

// Calls follow one another on a connection that is there: their deadlines are short, and the machine may be busy.
const connected = new Set<number>();

async function answer(request: ClientCompatRequest): Promise<void> {
  const address = serverAddress(request.port);
  const client = node.client(ConformanceService, address);
  let result: MessageInitShape<typeof ClientCompatResponseSchema>["result"];
  try {
    if (!connected.has(request.port)) await node.ping(address, { timeoutMs: 15_000 });
    connected.add(request.port);
    result = { case: "response", value: await invoke(client, request) };
  } catch (error) {
    result = { case: "error", value: { message: String(error) } };
  }
  const response = create(ClientCompatResponseSchema, { testName: request.testName, ...(result && { result }) });
  process.stdout.write(delimited(ClientCompatResponseSchema, response));
}

for await (const request of readDelimited(ClientCompatRequestSchema, process.stdin)) await answer(request);
