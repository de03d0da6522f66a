// The limit: ws over TLS 1.3, unboxed.
import { wsStack } from "../lib/ws-stack.ts";

export const stack = wsStack(false);
