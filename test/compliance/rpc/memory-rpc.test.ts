// Calls over the memory link, under several settings.
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { createMemoryLink, type MemoryLinkOptions } from "../../../src/link/memory-link.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { type LinkTraits, rpcCompliance } from "./rpc-compliance.ts";

function declare(name: string, makeOptions: () => MemoryLinkOptions, traits?: LinkTraits): void {
  rpcCompliance(
    name,
    () => {
      const pair = createMemoryLink(generateKeyPair().id, generateKeyPair().id, makeOptions());
      return Promise.resolve({ ...pair, teardown: () => Promise.resolve(pair.cut()) });
    },
    traits,
  );
}

declare("a memory link", () => ({}));
declare("a memory link that takes a byte at a time", () => ({ chunkBytes: 1 }), { isFast: false });
declare("a memory link of odd chunks that buffers nothing", () => ({ chunkBytes: 7, highWaterMark: 0 }), {
  isFast: false,
});
declare("a memory link of uneven delay", () => {
  const random = new VirtualClock(1);
  return { delayMs: () => random.random() * 3, chunkBytes: 40_001 };
});
