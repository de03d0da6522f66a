// A peer with a key of its own that calls a node as any program may, without a node around it.
import type { DescService } from "@bufbuild/protobuf";
import type { Client, ServiceImpl } from "@connectrpc/connect";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { type DialOptions, dial } from "../../src/channel/dial.ts";
import { resolveChannelOptions } from "../../src/channel/options.ts";
import { createRpcClient } from "../../src/rpc/client.ts";
import { RpcConnection } from "../../src/rpc/mux.ts";
import { resolveRpcOptions } from "../../src/rpc/params.ts";
import { ServiceRegistry } from "../../src/rpc/serve.ts";
import { createRpcTransport } from "../../src/rpc/transport.ts";
import { systemClock } from "../../src/util/clock.ts";
import { Counters } from "../../src/util/counters.ts";
import { silentLogger } from "../../src/util/log.ts";

/** A connected peer. */
export interface Peer {
  client<S extends DescService>(service: S): Client<S>;
  close(): void;
}

/** How a peer connects. */
export interface PeerOptions extends Pick<DialOptions, "address" | "keys" | "networkKey"> {
  /** Its answers to the node's calls on the same connection. @default none */
  readonly dht?: Partial<ServiceImpl<typeof DhtService>> | undefined;
}

/** Connects a peer. @throws DswarmError as `dial` */
export async function connectPeer({ dht, ...options }: PeerOptions): Promise<Peer> {
  const clock = systemClock;
  const link = await dial({ ...options, config: resolveChannelOptions(), clock });
  const registry = new ServiceRegistry({ clock, logger: silentLogger, counters: new Counters() });
  if (dht !== undefined) registry.serve(DhtService, dht);
  const connection = new RpcConnection(link, {
    config: resolveRpcOptions(),
    clock,
    acceptor: registry,
    onClosed: () => undefined,
  });
  const authority = options.address.id.toBase64url();
  const transport = createRpcTransport({ connect: () => connection, clock, authority });
  return {
    client: (service) => createRpcClient(service, transport),
    close: () => void connection.close().catch(() => undefined),
  };
}
