// One node's connection to the simulated network: how it calls others, and what they are answered.
import type { Contact } from "../dht/contact.ts";
import type { Caller, DhtPeers } from "../dht/dht-peers.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { Position } from "./latency.ts";
import {
  findNodeMethod,
  findValueMethod,
  type PeerAnswers,
  pingMethod,
  type RpcMethod,
  storeMethod,
} from "./rpc-method.ts";

/** What an endpoint is connected to: passes on its calls. */
export interface CallCarrier {
  carry<Request, RequestInit, Response, ResponseInit>(
    from: Endpoint,
    contact: Contact,
    method: RpcMethod<Request, RequestInit, Response, ResponseInit>,
    init: RequestInit,
    signal: AbortSignal,
  ): Promise<Response>;
}

interface EndpointInit {
  readonly network: CallCarrier;
  readonly index: number;
  readonly contact: Contact;
  readonly position: Position;
}

type Ask<Name extends keyof DhtPeers> = Parameters<DhtPeers[Name]>;
type Told<Name extends keyof DhtPeers> = ReturnType<DhtPeers[Name]>;

/** A node on the network. Made by `SimulatedNetwork.attach`. */
export class Endpoint implements DhtPeers {
  /** 1 for the first node of the network. */
  readonly index: number;
  readonly contact: Contact;
  readonly address: HostPort;
  readonly position: Position;
  /** Who it is to those that it calls. */
  readonly caller: Caller;
  /** What it answers. Calls are `unimplemented` before it serves any. */
  answers: PeerAnswers | undefined;
  /** Which part of a partitioned network it is in. */
  group = 0;
  isUp = true;
  /** Calls made. */
  calls = 0;
  /** Calls of others that came in. */
  served = 0;
  /** Bytes of protobuf messages, requests and responses. */
  bytesSent = 0;
  /** Likewise. */
  bytesReceived = 0;
  readonly #network: CallCarrier;

  constructor({ network, index, contact, position }: EndpointInit) {
    const [address] = contact.addresses;
    if (address === undefined) throw new RangeError("a contact without an address");
    this.#network = network;
    this.index = index;
    this.contact = contact;
    this.address = address;
    this.position = position;
    this.caller = { id: contact.id, host: address.host };
  }

  /** There are no connections here. */
  isConnected(): boolean {
    return true;
  }

  /** From now on it answers so. */
  serve(answers: PeerAnswers | undefined): void {
    this.answers = answers;
  }

  ping(...[contact, request, signal]: Ask<"ping">): Told<"ping"> {
    return this.#network.carry(this, contact, pingMethod, request, signal);
  }

  findNode(...[contact, request, signal]: Ask<"findNode">): Told<"findNode"> {
    return this.#network.carry(this, contact, findNodeMethod, request, signal);
  }

  findValue(...[contact, request, signal]: Ask<"findValue">): Told<"findValue"> {
    return this.#network.carry(this, contact, findValueMethod, request, signal);
  }

  store(...[contact, request, signal]: Ask<"store">): Told<"store"> {
    return this.#network.carry(this, contact, storeMethod, request, signal);
  }
}
