// Which ends of a call may send any number of messages.
import { MethodKind } from "../../gen/dswarm/v1/node_pb.ts";

/** Whether the requests are a stream. */
export function takesMany(kind: MethodKind | undefined): boolean {
  return kind === MethodKind.CLIENT_STREAMING || kind === MethodKind.BIDI_STREAMING;
}

/** Whether the answers are. */
export function answersMany(kind: MethodKind | undefined): boolean {
  return kind === MethodKind.SERVER_STREAMING || kind === MethodKind.BIDI_STREAMING;
}
