// The edge of the DHT: how it calls its peers, and how they call it. The node puts RPC here, the simulation memory.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  FindNodeRequest,
  FindNodeRequestSchema,
  FindNodeResponse,
  FindNodeResponseSchema,
  FindValueRequest,
  FindValueRequestSchema,
  FindValueResponse,
  FindValueResponseSchema,
  PingRequest,
  PingRequestSchema,
  PingResponse,
  PingResponseSchema,
  StoreRequest,
  StoreRequestSchema,
  StoreResponse,
  StoreResponseSchema,
} from "../../gen/dswarm/v1/dht_pb.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { Contact } from "./contact.ts";

/** Calls DhtService of peers. Each call rejects with a ConnectError or DswarmError, also when its signal aborts. */
export interface DhtPeers {
  /** Whether a call needs no connection to be made first. */
  isConnected(contact: Contact): boolean;
  ping(
    contact: Contact,
    request: MessageInitShape<typeof PingRequestSchema>,
    signal: AbortSignal,
  ): Promise<PingResponse>;
  findNode(
    contact: Contact,
    request: MessageInitShape<typeof FindNodeRequestSchema>,
    signal: AbortSignal,
  ): Promise<FindNodeResponse>;
  findValue(
    contact: Contact,
    request: MessageInitShape<typeof FindValueRequestSchema>,
    signal: AbortSignal,
  ): Promise<FindValueResponse>;
  store(
    contact: Contact,
    request: MessageInitShape<typeof StoreRequestSchema>,
    signal: AbortSignal,
  ): Promise<StoreResponse>;
}

/** Who calls: the proven key, and the host that the connection comes from. */
export interface Caller {
  readonly id: NodeId;
  readonly host: string;
  /** Whether nobody waits for the answer any more. @default somebody does */
  readonly hasGone?: () => boolean;
}

/** What a node answers its peers. Each throws or rejects with a ConnectError or DswarmError. */
export interface DhtAnswers {
  ping(request: PingRequest, caller: Caller): MessageInitShape<typeof PingResponseSchema>;
  findNode(request: FindNodeRequest, caller: Caller): MessageInitShape<typeof FindNodeResponseSchema>;
  findValue(request: FindValueRequest, caller: Caller): Promise<MessageInitShape<typeof FindValueResponseSchema>>;
  store(request: StoreRequest, caller: Caller): Promise<MessageInitShape<typeof StoreResponseSchema>>;
}
