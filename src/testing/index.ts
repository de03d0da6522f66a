// dswarm/testing: for the tests of programs that use dswarm.
/// <reference types="node" preserve="true" />
export {
  createMemorySwarm,
  type MemoryNodeOptions,
  type MemorySwarm,
  type MemorySwarmOptions,
} from "./memory-swarm.ts";
