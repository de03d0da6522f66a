// The one table of dswarm's own errors. docs/errors.md mirrors it, held by a test.
import { Code, ConnectError } from "@connectrpc/connect";

interface ErrorKind {
  /** What went wrong, for people; safe to show to a peer. */
  readonly message: string;
  /** The gRPC status code under which the error crosses the wire and reaches `/api`. */
  readonly connect: Code;
  /** Whether the same call may succeed when tried again. */
  readonly retryable: boolean;
}

/** Every error code of dswarm with its message, gRPC status code and whether trying again makes sense. */
export const errorTable = {
  // identity
  node_id_invalid: { message: "not a valid node id", connect: Code.InvalidArgument, retryable: false },
  address_invalid: { message: "not a valid dswarm:// address", connect: Code.InvalidArgument, retryable: false },
  key_file_invalid: { message: "the key file is not usable", connect: Code.FailedPrecondition, retryable: false },
  // node
  data_dir_in_use: {
    message: "another node uses the data directory",
    connect: Code.FailedPrecondition,
    retryable: true,
  },
  data_dir_invalid: { message: "the data directory is not usable", connect: Code.FailedPrecondition, retryable: false },
  bind_failed: { message: "cannot listen on the address", connect: Code.FailedPrecondition, retryable: false },
  interface_unknown: { message: "no such network interface", connect: Code.InvalidArgument, retryable: false },
  discovery_failed: { message: "multicast discovery cannot start", connect: Code.FailedPrecondition, retryable: false },
  peer_unknown: { message: "no address is known for the peer", connect: Code.NotFound, retryable: true },
  node_closed: { message: "the node is closed", connect: Code.Unavailable, retryable: false },
  // dht
  record_key_invalid: { message: "not a valid record key", connect: Code.InvalidArgument, retryable: false },
  record_invalid: { message: "a record that breaks the protocol", connect: Code.InvalidArgument, retryable: false },
  record_too_large: { message: "a value over the size limit", connect: Code.InvalidArgument, retryable: false },
  record_forged: {
    message: "a record whose signature is not of its signer",
    connect: Code.PermissionDenied,
    retryable: false,
  },
  record_stale: {
    message: "a newer record is held, or another with the same sequence",
    connect: Code.FailedPrecondition,
    retryable: false,
  },
  record_conflict: { message: "the sequence held is not the expected one", connect: Code.Aborted, retryable: true },
  record_expired: { message: "the record has expired", connect: Code.InvalidArgument, retryable: false },
  record_not_found: { message: "no record is found under the key", connect: Code.NotFound, retryable: true },
  quota_exceeded: { message: "no room for more records", connect: Code.ResourceExhausted, retryable: true },
  store_refused: { message: "no peer has kept the record", connect: Code.Unavailable, retryable: true },
  provider_not_found: { message: "no provider is found", connect: Code.Unavailable, retryable: true },
  storage_failed: { message: "the database cannot be read or written", connect: Code.Internal, retryable: true },
  database_damaged: {
    message: "nothing in the damaged database can be read",
    connect: Code.FailedPrecondition,
    retryable: false,
  },
  // dialing and listening
  unreachable: { message: "nothing answers at the address", connect: Code.Unavailable, retryable: true },
  dial_limited: {
    message: "strangers' claims have used up the dials for now",
    connect: Code.Unavailable,
    retryable: true,
  },
  not_dswarm: { message: "what answers at the address is not dswarm", connect: Code.Unavailable, retryable: false },
  too_many_connections: {
    message: "too many connections at once",
    connect: Code.ResourceExhausted,
    retryable: true,
  },
  self_connection: { message: "a node does not connect to itself", connect: Code.InvalidArgument, retryable: false },
  upgrade_refused: {
    message: "the websocket request is not one of a node",
    connect: Code.InvalidArgument,
    retryable: false,
  },
  // secret handshake
  handshake_timeout: { message: "the handshake took too long", connect: Code.Unavailable, retryable: true },
  handshake_truncated: {
    message: "the connection ended within the handshake",
    connect: Code.Unavailable,
    retryable: true,
  },
  hello_invalid: {
    message: "the hello is not of this network or not a hello",
    connect: Code.Unauthenticated,
    retryable: false,
  },
  hello_low_order: {
    message: "the hello carries an ephemeral key of low order",
    connect: Code.Unauthenticated,
    retryable: false,
  },
  authentication_failed: {
    message: "the peer does not hold the expected key, or refuses ours",
    connect: Code.Unauthenticated,
    retryable: false,
  },
  peer_not_allowed: { message: "the peer is not allowed", connect: Code.PermissionDenied, retryable: false },
  // websocket and box stream
  websocket_invalid: { message: "the websocket broke its rules", connect: Code.Unavailable, retryable: true },
  websocket_text: { message: "a text message on a binary websocket", connect: Code.Unavailable, retryable: true },
  websocket_too_large: {
    message: "a websocket message over the size limit",
    connect: Code.Unavailable,
    retryable: true,
  },
  box_invalid: { message: "a box that does not open", connect: Code.Unavailable, retryable: true },
  box_too_large: { message: "a box over 4096 bytes", connect: Code.Unavailable, retryable: true },
  box_after_goodbye: { message: "data after the goodbye", connect: Code.Unavailable, retryable: true },
  link_truncated: { message: "the connection ended without a goodbye", connect: Code.Unavailable, retryable: true },
  link_closed: { message: "the connection is closed", connect: Code.Unavailable, retryable: true },
  // frames and streams
  frame_invalid: { message: "a frame that breaks the protocol", connect: Code.Internal, retryable: false },
  frame_too_large: { message: "a frame over the size limit", connect: Code.Internal, retryable: false },
  credit_exceeded: { message: "more bytes than there was credit for", connect: Code.Internal, retryable: false },
  message_invalid: { message: "a message that does not decode", connect: Code.InvalidArgument, retryable: false },
  message_too_large: { message: "a message over the size limit", connect: Code.ResourceExhausted, retryable: false },
  metadata_too_large: { message: "metadata over the size limit", connect: Code.ResourceExhausted, retryable: false },
  metadata_invalid: { message: "metadata that is not allowed", connect: Code.InvalidArgument, retryable: false },
  too_many_streams: {
    message: "too many calls at once on the connection",
    connect: Code.ResourceExhausted,
    retryable: true,
  },
  too_many_faults: {
    message: "too many faults of the peer on the connection",
    connect: Code.ResourceExhausted,
    retryable: true,
  },
  memory_exhausted: {
    message: "too many bytes are held for the peer",
    connect: Code.ResourceExhausted,
    retryable: true,
  },
  request_timeout: { message: "the rest of a request does not come", connect: Code.DeadlineExceeded, retryable: true },
  peer_too_slow: { message: "the peer does not read what it is sent", connect: Code.Unavailable, retryable: true },
  keepalive_timeout: { message: "the peer does not answer any more", connect: Code.Unavailable, retryable: true },
} as const satisfies Record<string, ErrorKind>;

/** The name of an error of dswarm's own, as docs/errors.md lists them. */
export type ErrorCode = keyof typeof errorTable;

/** An error of dswarm's own. `code` tells them apart; `message` is safe to show to a peer. */
export class DswarmError extends Error {
  override readonly name = "DswarmError";
  readonly code: ErrorCode;

  /**
   * @param code which error
   * @param detail what in particular, appended to the message of the table
   */
  constructor(code: ErrorCode, detail?: string, options?: { cause?: unknown }) {
    super(detail === undefined ? errorTable[code].message : `${errorTable[code].message}: ${detail}`, options);
    this.code = code;
  }

  /** Whether the same call may succeed when tried again. */
  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }

  /** The same error for callers of Connect clients; its `cause` is this error. */
  toConnectError(): ConnectError {
    return new ConnectError(this.message, errorTable[this.code].connect, undefined, undefined, this);
  }
}

/** The DswarmError behind an error, looking through ConnectErrors; undefined where there is none. */
export function dswarmErrorOf(error: unknown): DswarmError | undefined {
  if (error instanceof DswarmError) return error;
  return error instanceof ConnectError ? dswarmErrorOf(error.cause) : undefined;
}

/**
 * Makes an error without a stack, for what a peer can cause as often as it likes: the stack takes 10 to 20 µs, ten times the rest.
 * @param make makes the error and does nothing else
 */
export function withoutStack<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The text of anything thrown. Never throws itself. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "something without a text was thrown";
  }
}
