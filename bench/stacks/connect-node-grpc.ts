// connect-node, gRPC protocol.
import { connectStack } from "../lib/connect-stack.ts";

export const stack = connectStack("grpc");
