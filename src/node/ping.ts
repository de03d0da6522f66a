// Pinging a peer by RPC.
import { createClient } from "@connectrpc/connect";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { createRpcTransport, type RpcTransportOptions } from "../rpc/transport.ts";
import { equalBytes } from "../util/bytes.ts";
import { DswarmError } from "../util/errors.ts";

/** How a ping went. */
export interface Pong {
  /** Milliseconds from call to answer, on an open connection. */
  readonly rttMs: number;
  /** "host:port" of the peer's end of the connection. */
  readonly address: string;
}

/** What ends a ping before its time. */
export interface PingOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds, connecting included. @default none */
  readonly timeoutMs?: number;
}

const nonceBytes = 8;

/** Pings what `connect` connects to. Rejects with a ConnectError. */
export async function ping(
  { connect, clock, meter, authority }: Pick<RpcTransportOptions, "connect" | "clock" | "meter" | "authority">,
  { signal, timeoutMs }: PingOptions,
): Promise<Pong> {
  let address = "";
  let startedAt = 0;
  const transport = createRpcTransport({
    clock,
    meter,
    authority,
    connect: async () => {
      const connection = await connect();
      address = connection.link.remoteAddress;
      startedAt = clock.now();
      return connection;
    },
  });
  const nonce = clock.randomBytes(nonceBytes);
  const options = { ...(signal && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) };
  const answer = await createClient(DhtService, transport).ping({ nonce }, options);
  if (!equalBytes(answer.nonce, nonce)) {
    throw new DswarmError("message_invalid", "the pong is not that of the ping").toConnectError();
  }
  return { rttMs: clock.now() - startedAt, address };
}
