// Memory links for the suite.
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { createMemoryLink, type MemoryLinkOptions } from "../../../src/link/memory-link.ts";
import type { MakeLinks } from "./rpc-pair.ts";

/** Makes memory links of given settings. */
export function memoryLinks(makeOptions: () => MemoryLinkOptions = () => ({})): MakeLinks {
  return () => {
    const pair = createMemoryLink(generateKeyPair().id, generateKeyPair().id, makeOptions());
    return Promise.resolve({ ...pair, teardown: () => Promise.resolve(pair.cut()) });
  };
}
