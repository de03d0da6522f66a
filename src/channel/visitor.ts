// One accepted TCP connection, from accept to close, whatever runs on it: what it counts as, and its deadline.
import type { Socket } from "node:net";
import { formatHostPort } from "../identity/peer-address.ts";
import type { Clock } from "../util/clock.ts";
import type { AddressQuota } from "./address-quota.ts";

/** The two ends of a TCP connection, which tell it from all others that are open. */
export function connectionKey(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** An accepted TCP connection. */
export class Visitor {
  readonly key: string;
  /** IP address; an IPv4 one that came through an IPv6 socket in its own form. */
  readonly address: string;
  /** "host:port". */
  readonly remoteAddress: string;
  /** Whether what became of its handshake has been counted. */
  isJudged = false;
  /** Ends the Secret Handshake that is under way. */
  shaking: AbortController | undefined;
  readonly #socket: Socket;
  readonly #held = new Set<AddressQuota>();
  #cancelDeadline: (() => void) | undefined;

  private constructor(socket: Socket, address: string, port: number) {
    this.#socket = socket;
    this.key = connectionKey(socket);
    this.address = address.replace(/^::ffff:(?=\d+\.)/i, "");
    this.remoteAddress = formatHostPort({ host: this.address, port });
  }

  /** @returns undefined where the socket is closed already */
  static of(socket: Socket): Visitor | undefined {
    const { remoteAddress, remotePort } = socket;
    return remoteAddress === undefined || remotePort === undefined
      ? undefined
      : new Visitor(socket, remoteAddress, remotePort);
  }

  /** Whether it counts in a quota. */
  holds(quota: AddressQuota): boolean {
    return this.#held.has(quota);
  }

  /** Counts in a quota from now on. Returns false, and does not, where the quota is used up. */
  take(quota: AddressQuota): boolean {
    if (this.#held.has(quota)) return true;
    if (!quota.take(this.address)) return false;
    this.#held.add(quota);
    return true;
  }

  /** Does not count in a quota any more. */
  give(quota: AddressQuota): void {
    if (this.#held.delete(quota)) quota.give(this.address);
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
    for (const quota of this.#held) this.give(quota);
  }
}
