// The server under test of Connect's conformance suite: a dswarm node that serves the suite's service to peers.
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { createNode } from "../../src/index.ts";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { ConformanceService } from "../gen/connectrpc/conformance/v1/service_pb.ts";
import { conformanceService } from "./conformance-service.ts";
import { delimited, readDelimited } from "./delimited.ts";
import { nodeOptions, serverKeys } from "./peers.ts";

const { value: request } = await readDelimited(ServerCompatRequestSchema, process.stdin).next();
if (request === undefined) throw new Error("the suite says nothing of the server");
const node = await createNode({ ...nodeOptions, keys: serverKeys });
node.serve(ConformanceService, conformanceService);
const response = create(ServerCompatResponseSchema, { host: "127.0.0.1", port: node.port });
process.stdout.write(delimited(ServerCompatResponseSchema, response));
await once(process, "SIGTERM");
await node.close();
