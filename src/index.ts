// dswarm's public API.
export { type CreateNodeOptions, createNode } from "./create-node.ts";
export { generateKeyPair, type KeyPair, keyPairFromSeed, loadOrCreateKeyFile } from "./identity/keys.ts";
export { NodeId } from "./identity/node-id.ts";
export { formatPeerAddress, type HostPort, type PeerAddress, parsePeerAddress } from "./identity/peer-address.ts";
export type { DswarmNode, NodeEvents, PeerName } from "./node/node.ts";
export type { PeerInfo, PeerOrigin } from "./node/peers.ts";
export type { PingOptions, Pong } from "./node/ping.ts";
export { callerKey } from "./rpc/handler-context.ts";
export type { ServeOptions } from "./rpc/serve.ts";
export { DswarmError, type ErrorCode } from "./util/errors.ts";
export type { LogFields, Logger } from "./util/log.ts";
