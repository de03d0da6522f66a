// Dialing: from an address and a key to a link whose other end has proven that key.
import type { IncomingMessage } from "node:http";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import type { KeyPair } from "../identity/keys.ts";
import { formatHostPort, type PeerAddress, parseHostPort } from "../identity/peer-address.ts";
import type { Link } from "../link/link.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import { isLoopback } from "../util/loopback.ts";
import { establishLink } from "./establish.ts";
import { Handshake } from "./handshake.ts";
import { type ChannelConfig, floodBucket } from "./options.ts";
import { clientOptions, subprotocol, WebSocketDuplex, websocketPath } from "./websocket.ts";

/** Whom to dial, and how. */
export interface DialOptions {
  /** Where the peer listens, and the key that it must prove. */
  readonly address: PeerAddress;
  /** The own keys. */
  readonly keys: KeyPair;
  /** 32 bytes, the same at both ends. */
  readonly networkKey: Uint8Array;
  readonly config: ChannelConfig;
  readonly clock: Clock;
  /** Ends the attempt when it aborts. No effect on the link. */
  readonly signal?: AbortSignal | undefined;
}

const seedBytes = 32;
const serviceUnavailable = 503;
/** Shared by all connections of the process: nothing in them is of one of them. Made with the first. */
let contextOfOthers: SecureContext | undefined;
let contextOfLoopback: SecureContext | undefined;

/**
 * Dials a peer. The link must be opened, closed or aborted by the caller.
 * @throws DswarmError `address_invalid`, `unreachable`, `not_dswarm`, `too_many_connections`, `handshake_timeout`, `handshake_truncated`,
 *   `hello_invalid`, `hello_low_order`, `authentication_failed`, `self_connection`, a `websocket_…` code;
 *   the signal's reason when it aborts; RangeError when the network key has not 32 bytes
 */
export async function dial(options: DialOptions): Promise<Link> {
  const { address, keys, networkKey, config, clock, signal } = options;
  signal?.throwIfAborted();
  if (address.id.equals(keys.id)) throw new DswarmError("self_connection");
  const handshake = Handshake.dialer({ keys, networkKey, seed: clock.randomBytes(seedBytes), remoteId: address.id });
  const attempt = new AbortController();
  const abort = (): void => attempt.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const cancelDeadline = clock.setTimeout(
    () => attempt.abort(new DswarmError("handshake_timeout")),
    config.handshakeTimeoutMs,
  );
  try {
    const duplex = await openWebSocket(address, config, clock, attempt.signal);
    return await establishLink({
      handshake,
      signal: attempt.signal,
      duplex,
      localId: keys.id,
      remoteAddress: formatHostPort(address),
      config,
      clock,
    });
  } finally {
    handshake.wipe();
    cancelDeadline();
    signal?.removeEventListener("abort", abort);
  }
}

function openWebSocket(
  address: PeerAddress,
  config: ChannelConfig,
  clock: Clock,
  signal: AbortSignal,
): Promise<WebSocketDuplex> {
  const { promise, resolve, reject } = Promise.withResolvers<WebSocketDuplex>();
  const socket = createWebSocket(address, config);
  const duplex = new WebSocketDuplex(socket, config, floodBucket(clock, config), clock);
  const settle = (): void => {
    signal.removeEventListener("abort", abort);
    socket.off("open", opened).off("error", failed).off("unexpected-response", refused);
  };
  const fail = (error: unknown): void => {
    settle();
    duplex.terminate();
    reject(error);
  };
  const opened = (): void => {
    settle();
    resolve(duplex);
  };
  const abort = (): void => fail(signal.reason);
  const failed = (error: Error): void => fail(connectFault(error));
  const refused = (_request: unknown, { statusCode }: IncomingMessage): void => {
    const code = statusCode === serviceUnavailable ? "too_many_connections" : "not_dswarm";
    fail(new DswarmError(code, `it answers HTTP ${statusCode}`));
  };
  signal.addEventListener("abort", abort, { once: true });
  socket.on("open", opened).on("error", failed).on("unexpected-response", refused);
  return promise;
}

function createWebSocket(address: PeerAddress, config: ChannelConfig): WebSocket {
  const hostPort = formatHostPort(address);
  // Not every PeerAddress was parsed from text. What a URL makes of a host can be another host.
  if (parseHostPort(hostPort) === undefined) throw new DswarmError("address_invalid", hostPort);
  return new WebSocket(`wss://${hostPort}${websocketPath}`, subprotocol, {
    ...clientOptions(config),
    createConnection: () => connectTls(address),
  });
}

function connectTls({ host, port }: PeerAddress): TLSSocket {
  // No certificate is checked: the Secret Handshake inside proves the key, which no certificate authority knows.
  return connect({
    host,
    port,
    secureContext: contextFor(host),
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: false,
  });
}

/** To make a context for each connection would cost as much as a fifth of a TLS handshake, and memory. */
function contextFor(host: string): SecureContext {
  const minVersion = "TLSv1.3";
  if (!isLoopback(host)) return (contextOfOthers ??= createSecureContext({ minVersion }));
  // Node's hybrid key exchange is for those who record now and have a quantum computer later. Nobody records what never leaves the
  // machine, where it costs a handshake 0.2 ms more, and each end of a connection 10 KiB for as long as it lasts.
  return (contextOfLoopback ??= createSecureContext({ minVersion, ecdhCurve: "X25519" }));
}

/** Errors of the operating system (ECONNREFUSED, EAI_AGAIN, …) are the network's, all others the answer's. */
function connectFault(error: Error): DswarmError {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const isNetwork = /^E(?:AI_)?[A-Z0-9]+$/.test(code) && code !== "EPROTO";
  return new DswarmError(isNetwork ? "unreachable" : "not_dswarm", code === "" ? messageOf(error) : code, {
    cause: error,
  });
}
