// The memory link is a Link, under several settings.
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { createMemoryLink, type MemoryLinkOptions } from "../../../src/link/memory-link.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { linkCompliance } from "./link-compliance.ts";
import type { LinkPair } from "./link-rig.ts";

function declare(name: string, makeOptions: () => MemoryLinkOptions): void {
  linkCompliance(name, async (): Promise<LinkPair> => {
    const pair = createMemoryLink(generateKeyPair().id, generateKeyPair().id, makeOptions());
    return {
      dialer: pair.dialer,
      listener: pair.listener,
      teardown: () => {
        pair.cut();
        return Promise.resolve();
      },
    };
  });
}

declare("memory link", () => ({}));
declare("memory link of odd chunks", () => ({ chunkBytes: 997 }));
declare("memory link that buffers nothing", () => ({ highWaterMark: 0 }));
declare("memory link of even delay", () => ({ delayMs: () => 3 }));
declare("memory link of uneven delay and chunks", () => {
  const random = new VirtualClock(1);
  return { delayMs: () => random.random() * 4, chunkBytes: 4099 };
});
