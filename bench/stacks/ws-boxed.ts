// The limit: ws over TLS 1.3, boxed.
import { wsStack } from "../lib/ws-stack.ts";

export const stack = wsStack(true);
