// Why something failed, as a message that the node's owner gets.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { FailureSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { isFromPeer } from "../rpc/status.ts";
import { dswarmErrorOf } from "../util/errors.ts";

/** A failure of a call of a peer. */
export function failureOf(thrown: unknown): MessageInitShape<typeof FailureSchema> {
  const own = dswarmErrorOf(thrown);
  const { code, rawMessage } = own?.toConnectError() ?? ConnectError.from(thrown);
  return { code: codeToString(code), reason: own?.code ?? "", message: rawMessage, fromPeer: isFromPeer(thrown) };
}
