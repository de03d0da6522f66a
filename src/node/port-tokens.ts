// Asking a peer which tokens came to its port.
import type { DescMessage } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import type { RpcConnection } from "../rpc/mux.ts";
import { createRpcTransport } from "../rpc/transport.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError } from "../util/errors.ts";

const timeoutMs = 5000;
const maxAnswerBytes = 1024;

/** Four tokens take 72 bytes: what is longer is not decoded. */
function check(_schema: DescMessage, { length }: Uint8Array): void {
  if (length > maxAnswerBytes) throw new DswarmError("message_invalid", "too many port tokens");
}

/** The tokens that the other end of a connection has got at its port for this node. Rejects with a ConnectError. */
export async function portTokensOf(connection: RpcConnection, clock: Clock): Promise<readonly Uint8Array[]> {
  const authority = connection.link.remoteId.toBase64url();
  const transport = createRpcTransport({ connect: () => connection, clock, authority, check, maxRepeats: 0 });
  const { tokens } = await createClient(DhtService, transport).listPortTokens({}, { timeoutMs });
  return tokens;
}
