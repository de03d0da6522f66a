// Drives a Secret Handshake over a websocket until there is a link, in either role.
import { DswarmError } from "../util/errors.ts";
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
 * end only sees a closed connection. It is told only that this end closes down, where the signal's reason is `link_closed`.
 * @throws DswarmError of the handshake or the websocket, `unreachable` where a listener closes down; the signal's reason
 */
export function establishLink({ handshake, signal, ...options }: EstablishOptions): Promise<ChannelLink> {
  const { duplex } = options;
  const { promise, resolve, reject } = Promise.withResolvers<ChannelLink>();
  const fail = (error: unknown): void => {
    signal.removeEventListener("abort", abort);
    if (error instanceof DswarmError && error.code === "link_closed") duplex.goAway();
    else duplex.terminate();
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
    ended(fault, isGoingAway) {
      // It would have gone on with another hello, too: nothing is wrong with this one.
      const isClosing = isGoingAway && handshake.role === "dialer";
      fail(fault ?? (isClosing ? new DswarmError("unreachable", "it closes down") : handshake.hangUp()));
    },
  });
  return promise;
}
