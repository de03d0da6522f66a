// A link: what the RPC layer needs of a connection, and all that it knows of one.
import type { NodeId } from "../identity/node-id.ts";
import type { DswarmError } from "../util/errors.ts";

/** Which end of the connection this is: the one that dialed, or the one that listened. */
export type LinkRole = "dialer" | "listener";

/** Receives what arrives on a link. Its methods must not throw. */
export interface LinkSink {
  /** Bytes, in order; message boundaries mean nothing. The memory is the sink's from now on. */
  data(bytes: Uint8Array): void;
  /** There is room again after a `write` that returned false. */
  drain(): void;
  /** `bufferedBytes` may have become less. */
  sent?(): void;
  /** `heldBytes` may have changed otherwise than by `data`. */
  held?(): void;
  /** The link has ended; called once, last. `reason` is undefined after a goodbye from both ends. */
  closed(reason: DswarmError | undefined): void;
}

/**
 * A reliable, ordered duplex of bytes between two proven keys.
 *
 *     open(sink) ──► data … data ──► closed(reason)     nothing is delivered before open or after closed
 */
export interface Link {
  readonly role: LinkRole;
  readonly localId: NodeId;
  readonly remoteId: NodeId;
  /** "host:port" of the remote end. */
  readonly remoteAddress: string;
  /** Bytes written and not yet handed to the operating system. */
  readonly bufferedBytes: number;
  /** Bytes of memory held for what has arrived and is not delivered: parts of messages and boxes, and what waits. */
  readonly heldBytes: number;
  /** Starts delivery. To be called once. What arrived before is delivered first, not before this returns. */
  open(sink: LinkSink): void;
  /**
   * Stops delivery, from within `data` too, and stops reading from the network. The link keeps what it has read: at most one message
   * of the network's and one read of the socket. `abort`, `close` and a connection that breaks may end the link meanwhile.
   */
  pause(): void;
  /** Goes on with delivery: first what was kept, from within this call, and the end of the link after it. */
  resume(): void;
  /**
   * Sends bytes. The link has read them when this returns: the caller may use the memory again. After the end of the
   * link, and after `close`, they are dropped.
   * @returns false when much is queued: `drain` will tell when to go on
   */
  write(bytes: Uint8Array): boolean;
  /**
   * Says goodbye after what was written, and waits a moment for the other's. What comes until then is delivered, or
   * dropped where the link was not opened. Resolves when the link has ended, after `closed`. May be called again.
   */
  close(): Promise<void>;
  /**
   * Ends the link at once with a reason, which `closed` is given, maybe before this returns. What was written before goes
   * out as far as a moment suffices. After the end it does nothing.
   */
  abort(reason: DswarmError): void;
}
