// All targets, by name.
import type { FuzzTarget } from "./engine/target.ts";
import { announce } from "./targets/announce.ts";
import { boxStream } from "./targets/box-stream.ts";
import { connection } from "./targets/connection.ts";
import { frame } from "./targets/frame.ts";
import { handshake } from "./targets/handshake.ts";
import { httpRequest } from "./targets/http-request.ts";
import { message } from "./targets/message.ts";
import { metadata } from "./targets/metadata.ts";
import { names } from "./targets/names.ts";
import { peerSchema } from "./targets/peer-schema.ts";
import { record } from "./targets/record.ts";

/** Every decoder of strangers' bytes, from the outside in. */
export const targets: readonly FuzzTarget[] = [
  announce,
  handshake,
  boxStream,
  frame,
  connection,
  metadata,
  message,
  names,
  record,
  peerSchema,
  httpRequest,
];
