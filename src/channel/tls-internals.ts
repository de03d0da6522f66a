// Reads Node's TLS beyond its interface: no public property names the connection below a TLS socket that has failed.
/* oxlint-disable no-underscore-dangle */
import type { Socket } from "node:net";

/** The socket below a TLS socket; undefined where it is not known. */
export function rawSocketUnder(socket: Socket): Socket | undefined {
  return (socket as { readonly _parent?: Socket | null })._parent ?? undefined;
}
