// dswarm's public API.
/// <reference types="node" preserve="true" />
export { type Failure, FailureSchema, NodeService } from "../gen/dswarm/v1/node_pb.ts";
export { type CreateNodeOptions, createNode } from "./create-node.ts";
export type { Contact } from "./dht/contact.ts";
export type { Dht, WatchOptions } from "./dht/dht.ts";
export type { LookupEvent } from "./dht/lookup-event.ts";
export type { LookupResult } from "./dht/lookup-options.ts";
export type { DhtOptions } from "./dht/options.ts";
export type { Published, UpdateOptions } from "./dht/publisher.ts";
export type { QueryOptions } from "./dht/queries.ts";
export type { DhtRecord, ImmutableRecord, MutableRecord, ProviderRecord } from "./dht/record.ts";
export { RecordKey } from "./dht/record-key.ts";
export { generateKeyPair, type KeyPair, keyPairFromSeed, loadOrCreateKeyFile } from "./identity/keys.ts";
export { NodeId } from "./identity/node-id.ts";
export { formatPeerAddress, type HostPort, type PeerAddress, parsePeerAddress } from "./identity/peer-address.ts";
export type { DswarmNode, NodeEvents, PeerName } from "./node/node.ts";
export type { PeerInfo, PeerOrigin } from "./node/peers.ts";
export type { PingOptions, Pong } from "./node/ping.ts";
export { callerKey } from "./rpc/handler-context.ts";
export type { ServeOptions } from "./rpc/serve.ts";
export { isFromPeer } from "./rpc/status.ts";
export { DswarmError, dswarmErrorOf, type ErrorCode, errorTable } from "./util/errors.ts";
export type { LogFields, Logger } from "./util/log.ts";
