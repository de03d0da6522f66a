// The server under test of Connect's conformance suite: /api of dswarm, Connect's protocol and gRPC-Web over HTTP/1.1.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import { createServiceImplSpec } from "@connectrpc/connect";
import { createApi } from "../../src/api/server.ts";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { ConformanceService } from "../gen/connectrpc/conformance/v1/service_pb.ts";
import { conformanceService } from "./conformance-service.ts";
import { delimited, readDelimited } from "./delimited.ts";

const { value: request } = await readDelimited(ServerCompatRequestSchema, process.stdin).next();
if (request === undefined) throw new Error("the suite says nothing of the server");
const api = createApi({
  services: [createServiceImplSpec<typeof ConformanceService>(ConformanceService, conformanceService)],
  requestsPerSecond: 1_000_000,
  requestBurst: 1_000_000,
  ...(request.messageReceiveLimit > 0 && { maxBodyBytes: request.messageReceiveLimit }),
});
const server = createServer((incoming, outgoing) => {
  // The suite calls services at the root.
  incoming.url = `/api${incoming.url}`;
  api(incoming, outgoing);
});
await once(server.listen(0, "127.0.0.1"), "listening");
const { port } = server.address() as AddressInfo;
process.stdout.write(
  delimited(ServerCompatResponseSchema, create(ServerCompatResponseSchema, { host: "127.0.0.1", port })),
);
await once(process, "SIGTERM");
server.close();
server.closeAllConnections();
