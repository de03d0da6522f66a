// connect-node, Connect protocol.
import { connectStack } from "../lib/connect-stack.ts";

export const stack = connectStack("connect");
