// One accepted TCP connection, from accept to close, whatever runs on it: what it counts as, and its deadline.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { formatHostPort } from "../identity/peer-address.ts";
import { addressShare } from "../util/address-share.ts";
import type { Clock } from "../util/clock.ts";
import { isLoopback } from "../util/loopback.ts";
import type { ChannelLink } from "./channel-link.ts";
import type { SlotHolder, Slots } from "./slots.ts";
import { isSlowAllowed } from "./slow-requests.ts";

/** The two ends of a TCP connection, which tell it from all others that are open. */
export function connectionKey(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** An accepted TCP connection. */
export class Visitor implements SlotHolder {
  readonly key: string;
  /** IP address; an IPv4 one that came through an IPv6 socket in its own form. */
  readonly address: string;
  /** "host:port". */
  readonly remoteAddress: string;
  /** Whether what became of its handshake has been counted. */
  isJudged = false;
  /** Ends the Secret Handshake that is under way. */
  shaking: AbortController | undefined;
  /** The link that was made on it. */
  link: ChannelLink | undefined;
  readonly share: string;
  readonly isLocal: boolean;
  readonly #socket: Socket;
  readonly #held = new Set<Slots<Visitor>>();
  #request: IncomingMessage | undefined;
  #response: ServerResponse | undefined;
  #cancelDeadline: (() => void) | undefined;

  private constructor(socket: Socket, address: string, port: number) {
    this.#socket = socket;
    this.key = connectionKey(socket);
    this.address = address.replace(/^::ffff:(?=\d+\.)/i, "");
    this.remoteAddress = formatHostPort({ host: this.address, port });
    this.share = addressShare(address);
    this.isLocal = isLoopback(address);
  }

  /** @returns undefined where the socket is closed already */
  static of(socket: Socket): Visitor | undefined {
    const { remoteAddress, remotePort } = socket;
    return remoteAddress === undefined || remotePort === undefined
      ? undefined
      : new Visitor(socket, remoteAddress, remotePort);
  }

  /** Whether it has a slot. */
  holds(slots: Slots<Visitor>): boolean {
    return this.#held.has(slots);
  }

  /** Takes a slot, unless it has one. Returns false where there is none for it. */
  take(slots: Slots<Visitor>): boolean {
    if (this.#held.has(slots)) return true;
    if (!slots.take(this)) return false;
    this.#held.add(slots);
    return true;
  }

  /** Gives a slot back, where it has one. */
  give(slots: Slots<Visitor>): void {
    if (this.#held.delete(slots)) slots.give(this);
  }

  /** Notes the request that is under way on it. */
  noteRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#request = request;
    this.#response = response;
  }

  /** Whether a request has come whole, or may take its time, and its answer has not gone out whole. */
  get isServed(): boolean {
    if (this.#request === undefined || this.#response?.writableFinished !== false) return false;
    return this.#request.complete || isSlowAllowed(this.#request);
  }

  /** Calls back after a time, unless `stopDeadline` comes first. No effect while a deadline runs. */
  startDeadline(clock: Clock, delayMs: number, expired: () => void): void {
    this.#cancelDeadline ??= clock.setTimeout(expired, delayMs);
  }

  stopDeadline(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
  }

  /** Closes the connection at once, and everything on it. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** To be called when the connection is closed: it counts nowhere any more. */
  leave(): void {
    this.stopDeadline();
    for (const slots of this.#held) this.give(slots);
  }
}
