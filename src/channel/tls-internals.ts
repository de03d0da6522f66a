// What is read of Node's TLS beyond its interface: the connection below a TLS socket that has failed is nowhere else to be seen.
/* oxlint-disable no-underscore-dangle */
import type { Socket } from "node:net";

/** The socket below a TLS socket; undefined where it is not known. */
export function rawSocketUnder(socket: Socket): Socket | undefined {
  return (socket as { readonly _parent?: Socket | null })._parent ?? undefined;
}
