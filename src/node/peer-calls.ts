// How the DHT of a node calls peers: by RPC, on the connections of the node.
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import {
  DhtService,
  type FindNodeRequestSchema,
  type FindNodeResponse,
  type FindValueRequestSchema,
  type FindValueResponse,
  type PingRequestSchema,
  type PingResponse,
  type StoreRequestSchema,
  type StoreResponse,
} from "../../gen/dswarm/v1/dht_pb.ts";
import type { Contact } from "../dht/contact.ts";
import type { DhtPeers } from "../dht/dht-peers.ts";
import { dhtProtocol } from "../dht/params.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { CallMeter } from "../rpc/call-meter.ts";
import { createRpcClient } from "../rpc/client.ts";
import type { RpcConnection } from "../rpc/mux.ts";
import { createRpcTransport } from "../rpc/transport.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import type { Clock } from "../util/clock.ts";
import { overLimit } from "../util/over-limit.ts";

/** What calls to peers need of their node. */
export interface PeerCallsInit {
  readonly clock: Clock;
  /** Measures the calls. */
  readonly meter: CallMeter;
  readonly isConnected: (id: NodeId) => boolean;
  /** Connects to a peer, at the addresses given where none is known that works. */
  readonly connect: (id: NodeId, addresses: readonly HostPort[]) => RpcConnection | Promise<RpcConnection>;
  /** Told of each answer and its round-trip time in milliseconds, without the time that connecting took. */
  readonly onAnswer: (id: NodeId, rttMs: number) => void;
}

interface Entry {
  readonly client: Client<typeof DhtService>;
  addresses: readonly HostPort[];
  /** When a connection that was waited for opened, on the clock's `now`. */
  openedAt: number;
}

const maxClients = 4096;

/** A contact of two bytes takes a hundred and more in memory: what is too long is not decoded. */
function checkAnswerBytes(_schema: DescMessage, { length }: Uint8Array): void {
  if (length > dhtProtocol.maxAnswerBytes) {
    throw new ConnectError(
      `an answer over the size limit: ${overLimit(length, dhtProtocol.maxAnswerBytes)}`,
      Code.ResourceExhausted,
    );
  }
}

/** Calls DhtService of peers. Bounded by `maxClients`, which are made anew when they are needed again. */
export class PeerCalls implements DhtPeers {
  readonly #init: PeerCallsInit;
  readonly #entries = createBoundedCache<Entry>(maxClients);

  constructor(init: PeerCallsInit) {
    this.#init = init;
  }

  isConnected({ id }: Contact): boolean {
    return this.#init.isConnected(id);
  }

  ping(
    contact: Contact,
    request: MessageInitShape<typeof PingRequestSchema>,
    signal: AbortSignal,
  ): Promise<PingResponse> {
    return this.#timed(contact, (client) => client.ping(request, { signal }));
  }

  findNode(
    contact: Contact,
    request: MessageInitShape<typeof FindNodeRequestSchema>,
    signal: AbortSignal,
  ): Promise<FindNodeResponse> {
    return this.#timed(contact, (client) => client.findNode(request, { signal }));
  }

  findValue(
    contact: Contact,
    request: MessageInitShape<typeof FindValueRequestSchema>,
    signal: AbortSignal,
  ): Promise<FindValueResponse> {
    return this.#timed(contact, (client) => client.findValue(request, { signal }));
  }

  store(
    contact: Contact,
    request: MessageInitShape<typeof StoreRequestSchema>,
    signal: AbortSignal,
  ): Promise<StoreResponse> {
    return this.#timed(contact, (client) => client.store(request, { signal }));
  }

  async #timed<T>(contact: Contact, call: (client: Client<typeof DhtService>) => Promise<T>): Promise<T> {
    const { clock, onAnswer } = this.#init;
    const entry = this.#entry(contact);
    const askedAt = clock.now();
    const answer = await call(entry.client);
    onAnswer(contact.id, clock.now() - Math.max(askedAt, entry.openedAt));
    return answer;
  }

  #entry({ id, addresses }: Contact): Entry {
    const name = id.toString();
    const known = this.#entries.get(name);
    if (known !== undefined) {
      known.addresses = addresses;
      return known;
    }
    const { clock, meter, connect } = this.#init;
    const transport = createRpcTransport({
      clock,
      meter,
      authority: id.toBase64url(),
      check: checkAnswerBytes,
      connect: () => {
        const connection = connect(id, entry.addresses);
        return connection instanceof Promise ? connection.then(opened) : connection;
      },
    });
    const client = createRpcClient(DhtService, transport);
    const entry: Entry = { client, addresses, openedAt: Number.NEGATIVE_INFINITY };
    const opened = (connection: RpcConnection): RpcConnection => {
      entry.openedAt = clock.now();
      return connection;
    };
    this.#entries.set(name, entry);
    return entry;
  }
}
