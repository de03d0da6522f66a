// Drives a Secret Handshake over a websocket until there is a link, in either role.
import { ChannelLink, type ChannelLinkOptions } from "./channel-link.ts";
import type { Handshake } from "./handshake.ts";

/** What to make a link of. */
export interface EstablishOptions extends Omit<ChannelLinkOptions, "role"> {
  readonly handshake: Handshake;
  /** Ends the handshake when it aborts, with its reason. No effect once the link is there. */
  readonly signal: AbortSignal;
}

/**
 * Shakes hands and makes the link. Whatever goes wrong, the connection is closed and the secrets are wiped; the other
 * end only sees a closed connection.
 * @throws DswarmError of the handshake or the websocket; the signal's reason
 */
export function establishLink({ handshake, signal, ...options }: EstablishOptions): Promise<ChannelLink> {
  const { duplex } = options;
  const { promise, resolve, reject } = Promise.withResolvers<ChannelLink>();
  const fail = (error: unknown): void => {
    signal.removeEventListener("abort", abort);
    duplex.terminate();
    handshake.wipe();
    reject(error);
  };
  const abort = (): void => fail(signal.reason);
  if (signal.aborted) {
    abort();
    return promise;
  }
  signal.addEventListener("abort", abort, { once: true });
  const hello = handshake.start().send;
  if (hello !== undefined) duplex.send(hello);
  duplex.attach({
    bytes(bytes) {
      try {
        const { send, outcome } = handshake.push(bytes);
        if (send !== undefined) duplex.send(send);
        if (outcome === undefined) return;
        signal.removeEventListener("abort", abort);
        // In the same call: no byte may come between the handshake and the link.
        duplex.detach();
        resolve(new ChannelLink({ role: handshake.role, ...options }, outcome));
      } catch (error) {
        fail(error);
      }
    },
    ended: (fault) => fail(fault ?? handshake.hangUp()),
  });
  return promise;
}
