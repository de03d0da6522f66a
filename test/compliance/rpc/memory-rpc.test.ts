// Calls over the memory link, as it is and with delay.
import { createRpcClient } from "../../../src/rpc/client.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { memoryLinks } from "./memory-links.ts";
import { rpcCompliance } from "./rpc-compliance.ts";

rpcCompliance("a memory link", memoryLinks());
rpcCompliance(
  "a memory link of uneven delay",
  memoryLinks(() => {
    const random = new VirtualClock(1);
    return { delayMs: () => random.random() * 3, chunkBytes: 40_001 };
  }),
  { makeClient: createRpcClient },
);
