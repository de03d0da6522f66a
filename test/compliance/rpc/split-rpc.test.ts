// Calls over links that bring a few bytes at a time.
import type { MemoryLinkOptions } from "../../../src/link/memory-link.ts";
import { memoryLinks } from "./memory-links.ts";
import { rpcCompliance } from "./rpc-compliance.ts";
import { SplitLink } from "./split-link.ts";

function declare(name: string, chunkBytes: number, options: MemoryLinkOptions): void {
  const makeLinks = memoryLinks(() => options);
  rpcCompliance(
    name,
    async () => {
      const links = await makeLinks();
      const { dialer, listener } = links;
      return { ...links, dialer: new SplitLink(dialer, chunkBytes), listener: new SplitLink(listener, chunkBytes) };
    },
    { isFast: false },
  );
}

declare("a memory link that brings single bytes", 1, {});
declare("a memory link that brings seven bytes at a time and buffers nothing", 7, {
  chunkBytes: 997,
  highWaterMark: 0,
});
