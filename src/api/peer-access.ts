// How /api reaches peers.
import type { Transport } from "@connectrpc/connect";
import type { NodeId } from "../identity/node-id.ts";
import type { PeerSchemas } from "../node/peer-schemas.ts";
import type { ResponseCheck } from "../rpc/message-codec.ts";

/** How the gateway reaches peers. */
export interface Gateway {
  readonly schemas: Pick<PeerSchemas, "schema">;
  /** Calls a peer, connecting where there is no connection. */
  readonly transport: (id: NodeId, check: ResponseCheck) => Transport;
  /** How it reaches whoever provides a service, by the type name. @default not at all */
  readonly providers?: {
    readonly schemas: Pick<PeerSchemas<string>, "schema">;
    readonly transport: (typeName: string, check: ResponseCheck) => Transport;
  };
}
