// Listening: accepts links on /dht of an HTTPS server that may serve other paths as well, and bounds what strangers can
// hold of it. Every accepted TCP connection is in one of these states, each with a cap:
//
//     accepted ──► half-open ──upgrade to /dht, Secret Handshake──► link
//                   │      ▲
//      request head │      │ upgrade to /dht
//                   ▼      │
//                  http (the API's)
//
// A half-open connection has `handshakeTimeoutMs` from its TCP accept, whatever it spends them on.
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { KeyPair } from "../identity/keys.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { Link } from "../link/link.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import { DswarmError, type ErrorCode, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { overLimit } from "../util/over-limit.ts";
import { RateLimiter } from "../util/rate-limiter.ts";
import type { ChannelLink } from "./channel-link.ts";
import { establishLink } from "./establish.ts";
import { Handshake } from "./handshake.ts";
import { type ChannelConfig, floodBucket } from "./options.ts";
import { knockNoted } from "./port-knock.ts";
import { Slots } from "./slots.ts";
import { rawSocketUnder } from "./tls-internals.ts";
import { answerAndClose, type Refusal, refusalOf } from "./upgrade.ts";
import { connectionKey, Visitor } from "./visitor.ts";
import { serverOptions, WebSocketDuplex } from "./websocket.ts";

/** How to accept links. */
export interface ListenerOptions {
  readonly keys: KeyPair;
  /** 32 bytes, the same at both ends. */
  readonly networkKey: Uint8Array;
  readonly config: ChannelConfig;
  readonly clock: Clock;
  /**
   * Told of failed handshakes (`handshake_failed`) and broken links (`link_failed`), at a bounded rate; not of connections
   * that end, or time out, before any request: browsers keep such in stock, and port scans leave them behind.
   */
  readonly logger: Logger;
  /** Counts `handshake.ok`, `handshake.failed.CODE` (all of them), `link.failed.CODE` and `log.suppressed`. */
  readonly counters: Counters;
  /** Whether a proven key may connect. @default every key */
  readonly authorize?: ((id: NodeId) => boolean) | undefined;
  /** Takes a new link, which it must open, close or abort. */
  readonly onLink: (link: Link) => void;
  /** A handshake has failed, or was refused. Not called where there was no request. Must not throw. */
  readonly onFailed?: ((error: DswarmError, remoteAddress: string) => void) | undefined;
}

/** Accepts links. */
export interface Listener {
  /**
   * Bounds the connections of a server, and accepts links on its /dht. To be called before the server listens.
   * @param takesLinks whether it has a /dht @default true
   */
  attach(server: Server | HttpServer, takesLinks?: boolean): void;
  /** Accepted connections that have neither proven a key nor sent a request. */
  readonly halfOpen: number;
  /** Links that have not ended. */
  readonly connections: number;
  /** Detaches from the servers, drops half-open connections and closes all links. Does not close the servers. */
  close(): Promise<void>;
}

const seedBytes = 32;
const networkKeyBytes = 32;
/**
 * Bytes that may come on a websocket before the key is proven. The handshake has 176; boxes may follow it in the same
 * message, but no stranger is to make a listener hold a whole message of `maxMessageBytes`.
 */
const maxUnprovenBytes = 65_536;
const infoCodes: ReadonlySet<ErrorCode> = new Set(["handshake_truncated", "handshake_timeout", "link_truncated"]);
/** Lines of one event and code: so many at once, then one a second. Keys are event and code, which are few. */
const logLimits = { perSecond: 1, burst: 20, maxKeys: 256 };

/**
 * Makes a listener, not yet attached to a server.
 * @throws RangeError when the network key has not 32 bytes
 */
export function createListener(options: ListenerOptions): Listener {
  const { length } = options.networkKey;
  if (length !== networkKeyBytes) throw new RangeError(`a network key has ${networkKeyBytes} bytes, not ${length}`);
  return new WebSocketListener(options);
}

class WebSocketListener implements Listener {
  readonly #options: ListenerOptions;
  readonly #webSockets: WebSocketServer;
  /** Of connections that have not sent a request. */
  readonly #accepted: Slots<Visitor>;
  /** Of those whose handshake is under way. */
  readonly #shaking: Slots<Visitor>;
  readonly #http: Slots<Visitor>;
  /** Of links, and of handshakes, which become links. */
  readonly #linked: Slots<Visitor>;
  /** By connection key. Bounded by the slots, one of which each visitor has. */
  readonly #visitors = new Map<string, Visitor>();
  /** The same by socket: one that has failed has no key any more. */
  readonly #bySocket = new WeakMap<Socket, Visitor>();
  /** Bounded by `maxConnections`. */
  readonly #links = new Set<ChannelLink>();
  readonly #detachers: (() => void)[] = [];
  readonly #logLimiter: RateLimiter;
  #isClosing = false;

  constructor(options: ListenerOptions) {
    const { config, clock } = options;
    this.#options = options;
    const reserve = config.loopbackReserve;
    const halfOpen = {
      max: config.maxHalfOpen,
      maxPerAddress: config.maxHalfOpenPerAddress,
      isLocalExempt: true,
      reserve,
      mayGiveWay: () => true,
      onEvicted: (visitor: Visitor) => this.#putOut(visitor),
    };
    this.#accepted = new Slots(halfOpen);
    this.#shaking = new Slots(halfOpen);
    this.#http = new Slots({
      ...halfOpen,
      max: config.maxHttpConnections,
      maxPerAddress: config.maxHttpConnectionsPerAddress,
      mayGiveWay: ({ isServed }) => !isServed,
    });
    this.#linked = new Slots({
      max: config.maxConnections,
      maxPerAddress: config.maxConnectionsPerAddress,
      reserve,
      minLead: 2,
      isShareStrict: true,
      mayGiveWay: ({ link }) => link !== undefined,
      onEvicted: (visitor) => this.#putOut(visitor),
    });
    this.#logLimiter = new RateLimiter(clock, logLimits);
    this.#webSockets = new WebSocketServer(serverOptions(config));
    this.#webSockets.on("wsClientError", (error, socket, request) => {
      this.#refuse(request, socket, { status: 400, error: new DswarmError("upgrade_refused", messageOf(error)) });
    });
  }

  get halfOpen(): number {
    return this.#accepted.count + this.#shaking.count;
  }

  get connections(): number {
    return this.#links.size;
  }

  attach(server: Server | HttpServer, takesLinks = true): void {
    const onConnection = (socket: Socket): void => this.#meet(socket);
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      this.#passToHttp(request, response);
      if (server.listenerCount("request") === 1) response.writeHead(404).end();
    };
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void =>
      this.#upgrade(request, socket, head);
    const onTlsError = (error: Error, socket: Socket): void => this.#onTlsError(error, socket);
    server.on("connection", onConnection).on("request", onRequest).on("tlsClientError", onTlsError);
    if (takesLinks) server.on("upgrade", onUpgrade);
    this.#detachers.push(() => {
      server.off("connection", onConnection).off("request", onRequest).off("upgrade", onUpgrade);
      server.off("tlsClientError", onTlsError);
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    for (const detach of this.#detachers.splice(0)) detach();
    for (const visitor of this.#visitors.values()) {
      if (visitor.holds(this.#accepted) || visitor.holds(this.#shaking))
        this.#end(visitor, new DswarmError("link_closed"));
    }
    await Promise.all([...this.#links].map((link) => link.close()));
  }

  #meet(socket: Socket): void {
    // The TLS socket on top of this one hears of its errors too, and closes both.
    socket.on("error", () => socket.destroy());
    const visitor = Visitor.of(socket);
    if (visitor?.take(this.#accepted) !== true) {
      socket.destroy();
      if (visitor !== undefined) this.#judge(visitor, new DswarmError("too_many_connections"));
      return;
    }
    this.#visitors.set(visitor.key, visitor);
    this.#bySocket.set(socket, visitor);
    socket.once("close", () => this.#part(visitor));
    this.#startDeadline(visitor);
  }

  /** A connection that brought a token has done what it came for. */
  #onTlsError(error: Error, socket: Socket): void {
    if (error !== knockNoted) return;
    this.#options.counters.add("port.knocks");
    const raw = rawSocketUnder(socket);
    const visitor = raw && this.#bySocket.get(raw);
    if (visitor !== undefined) visitor.isJudged = true;
  }

  #part(visitor: Visitor): void {
    const isUnfinished = visitor.holds(this.#accepted) && visitor.shaking === undefined;
    if (isUnfinished) this.#count(visitor, new DswarmError("handshake_truncated"));
    visitor.leave();
    // A new connection may have come from the same port before this close was heard of.
    if (this.#visitors.get(visitor.key) === visitor) this.#visitors.delete(visitor.key);
  }

  #passToHttp(request: IncomingMessage, response: ServerResponse): void {
    const visitor = this.#visitors.get(connectionKey(request.socket));
    if (visitor === undefined) return;
    visitor.noteRequest(request, response);
    if (visitor.holds(this.#http)) return;
    if (!visitor.take(this.#http)) {
      this.#end(visitor, new DswarmError("too_many_connections", "HTTP"));
      return;
    }
    visitor.stopDeadline();
    visitor.give(this.#accepted);
  }

  /** Closes a connection whose slot another has taken. */
  #putOut(visitor: Visitor): void {
    this.#options.counters.add("connections.gave_way");
    const error = new DswarmError("too_many_connections", "it gave way to another");
    if (visitor.link === undefined) this.#end(visitor, error);
    else visitor.link.abort(error);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const visitor = this.#visitors.get(connectionKey(request.socket));
    if (visitor === undefined) {
      socket.destroy();
      return;
    }
    visitor.isJudged = false;
    this.#startDeadline(visitor);
    const refusal = refusalOf(request) ?? this.#overCaps(visitor);
    if (refusal !== undefined) {
      this.#refuse(request, socket, refusal);
      return;
    }
    visitor.give(this.#http);
    visitor.give(this.#accepted);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      void this.#shakeHands(visitor, socket, webSocket);
    });
  }

  /** Takes a place for a handshake and for the link after it, unless there is none. */
  #overCaps(visitor: Visitor): Refusal | undefined {
    if (visitor.take(this.#shaking) && visitor.take(this.#linked)) return undefined;
    return { status: 503, error: new DswarmError("too_many_connections") };
  }

  #refuse(request: IncomingMessage, socket: Duplex, { status, error }: Refusal): void {
    const visitor = this.#visitors.get(connectionKey(request.socket));
    if (visitor !== undefined) this.#judge(visitor, error);
    answerAndClose(socket, status);
  }

  async #shakeHands(visitor: Visitor, socket: Duplex, webSocket: WebSocket): Promise<void> {
    const { keys, networkKey, authorize, config, clock } = this.#options;
    const duplex = new WebSocketDuplex(webSocket, config, floodBucket(clock, config), clock);
    const shaking = new AbortController();
    visitor.shaking = shaking;
    const stopCounting = onBytesOver(maxUnprovenBytes, socket, () => {
      const size = overLimit(maxUnprovenBytes + 1, maxUnprovenBytes, false);
      shaking.abort(new DswarmError("websocket_too_large", `before the proof: ${size}`));
    });
    try {
      const link = await establishLink({
        handshake: Handshake.listener({ keys, networkKey, authorize, seed: clock.randomBytes(seedBytes) }),
        signal: shaking.signal,
        duplex,
        localId: keys.id,
        remoteAddress: visitor.remoteAddress,
        config,
        clock,
      });
      visitor.stopDeadline();
      visitor.give(this.#shaking);
      visitor.link = link;
      this.#accept(visitor, link);
    } catch (error) {
      this.#judge(visitor, asDswarmError(error));
    } finally {
      stopCounting();
    }
  }

  #accept(visitor: Visitor, link: ChannelLink): void {
    const { counters, logger, onLink } = this.#options;
    visitor.isJudged = true;
    counters.add("handshake.ok");
    this.#links.add(link);
    void link.ended.then((reason) => {
      this.#links.delete(link);
      // `link_closed` is what the own side ends its links with.
      if (reason === undefined || reason.code === "link_closed") return;
      counters.add(`link.failed.${reason.code}`);
      this.#log("link_failed", reason, { remoteId: link.remoteId.toString(), remoteAddress: link.remoteAddress });
    });
    try {
      if (this.#isClosing) link.abort(new DswarmError("link_closed"));
      else onLink(link);
    } catch (error) {
      logger.error({ event: "link_handler_failed", error }, messageOf(error));
      link.abort(new DswarmError("link_closed"));
    }
  }

  #startDeadline(visitor: Visitor): void {
    const { clock, config } = this.#options;
    visitor.startDeadline(clock, config.handshakeTimeoutMs, () => {
      const error = new DswarmError("handshake_timeout");
      if (visitor.shaking === undefined) this.#count(visitor, error);
      this.#end(visitor, error);
    });
  }

  /** Ends a connection that is no link. One whose handshake this ends by `link_closed` has a moment to hear of it. */
  #end(visitor: Visitor, error: DswarmError): void {
    if (visitor.shaking === undefined) this.#judge(visitor, error);
    else visitor.shaking.abort(error);
    if (visitor.shaking === undefined || error.code !== "link_closed") visitor.destroy();
  }

  /** Counts, once for each handshake, why it failed. @returns whether it was not judged before */
  #count(visitor: Visitor, error: DswarmError): boolean {
    if (visitor.isJudged || this.#isClosing) return false;
    visitor.isJudged = true;
    this.#options.counters.add(`handshake.failed.${error.code}`);
    return true;
  }

  /** Counts, logs and tells, once for each handshake, why it failed. */
  #judge(visitor: Visitor, error: DswarmError): void {
    if (!this.#count(visitor, error)) return;
    this.#log("handshake_failed", error, { remoteAddress: visitor.remoteAddress });
    this.#options.onFailed?.(error, visitor.remoteAddress);
  }

  #log(event: string, error: DswarmError, fields: Readonly<Record<string, string>>): void {
    const { logger, counters } = this.#options;
    if (!this.#logLimiter.take(`${event} ${error.code}`)) {
      counters.add("log.suppressed");
      return;
    }
    const level = infoCodes.has(error.code) ? "info" : "warn";
    logger[level]({ event, code: error.code, ...fields }, error.message);
  }
}

/** Calls back when more than `maxBytes` have come on a socket; returns what stops the counting. */
function onBytesOver(maxBytes: number, socket: Duplex, exceeded: () => void): () => void {
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > maxBytes) exceeded();
  };
  socket.on("data", count);
  return () => void socket.off("data", count);
}

function asDswarmError(error: unknown): DswarmError {
  return error instanceof DswarmError ? error : new DswarmError("websocket_invalid", undefined, { cause: error });
}
