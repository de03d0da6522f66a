// Settings of the channel: how dswarm's connections are bounded, in time, number and bytes.

import { createHash } from "node:crypto";
import { checkNumbers } from "../util/arguments.ts";
import type { Clock } from "../util/clock.ts";
import { TokenBucket } from "../util/token-bucket.ts";
import { maxBodyBytes, overheadBytes } from "./box-stream.ts";

/** Settings of dialing and listening. */
export interface ChannelOptions {
  /**
   * Milliseconds from the start of a connection to the end of its Secret Handshake: TCP, TLS, the websocket upgrade and
   * the handshake together. 1 to 3,600,000. @default 5000
   */
  readonly handshakeTimeoutMs?: number;
  /**
   * Accepted TCP connections that have not sent a request, and apart from them as many whose Secret Handshake is under way. Where
   * they are more, the oldest is closed of the address that has most. At least 1. @default 256
   */
  readonly maxHalfOpen?: number;
  /**
   * The same from one IP address; an IPv6 /64 counts as one. Where they are more, the oldest of the address is closed. Addresses of
   * this machine may have all. At least 1. @default 64
   */
  readonly maxHalfOpenPerAddress?: number;
  /**
   * Accepted TCP connections in use for HTTP, whose owner is the API. Where they are more, one is closed that waits for a request or
   * for the rest of one, and a new one where all are being answered. At least 1. @default 256
   */
  readonly maxHttpConnections?: number;
  /** The same from one IP address, as for `maxHalfOpenPerAddress`. At least 1. @default 64 */
  readonly maxHttpConnectionsPerAddress?: number;
  /**
   * Slots among those of `maxHalfOpen`, `maxHttpConnections` and `maxConnections`, each, that only clients of this machine can take.
   * More keep room for the owner, and leave less to others. At least 0; one slot is always left to others. @default 16
   */
  readonly loopbackReserve?: number;
  /**
   * Accepted links, with those whose websocket is open and whose handshake is not done. Where they are more, the oldest link gives way
   * of the address that has most, if that is at least two more than the new one's address has. At least 1. @default 2048
   */
  readonly maxConnections?: number;
  /** The same from one IP address. At least 1. @default 1024 */
  readonly maxConnectionsPerAddress?: number;
  /**
   * Bytes of a websocket message, in both directions. It is part of the protocol: a peer with a lower one ends the link
   * at the first longer message. 4130 (one full box) to 67,108,864. @default 1048576
   */
  readonly maxMessageBytes?: number;
  /**
   * Websocket messages that a peer may send at once that carry next to nothing: pings, pongs, and messages of less than 16 bytes. The
   * link then ends with `too_many_faults`. At least 1. @default 20000
   */
  readonly maxSmallMessages?: number;
  /** The same for each second after that. At least 1. @default 5000 */
  readonly smallMessagesPerSecond?: number;
  /** Bytes queued on a link above which `write` returns false. `drain` comes at half of it. At least 1. @default 262144 */
  readonly highWaterMarkBytes?: number;
  /**
   * Bytes queued on a link above which it is ended, for a peer that does not read and a writer that does not wait.
   * Not below `highWaterMarkBytes`. @default 16777216
   */
  readonly maxBufferedBytes?: number;
  /**
   * Milliseconds that a closing link waits for the other end's goodbye while nothing moves on it; up to ten times as
   * long while something does. 1 to 3,600,000. @default 1000
   */
  readonly closeTimeoutMs?: number;
}

/** Checked settings, all present. */
export type ChannelConfig = Readonly<Required<ChannelOptions>>;

/** What holds where an option is not given. */
export const channelDefaults: ChannelConfig = Object.freeze({
  handshakeTimeoutMs: 5000,
  maxHalfOpen: 256,
  maxHalfOpenPerAddress: 64,
  maxHttpConnections: 256,
  maxHttpConnectionsPerAddress: 64,
  loopbackReserve: 16,
  maxConnections: 2048,
  maxConnectionsPerAddress: 1024,
  maxMessageBytes: 1_048_576,
  maxSmallMessages: 20_000,
  smallMessagesPerSecond: 5000,
  highWaterMarkBytes: 262_144,
  maxBufferedBytes: 16_777_216,
  closeTimeoutMs: 1000,
});

const maxTimeoutMs = 3_600_000;
const maxCount = 1_000_000;
const maxBytes = 1_073_741_824;

const ranges: Readonly<Record<keyof ChannelConfig, readonly [min: number, max: number]>> = {
  handshakeTimeoutMs: [1, maxTimeoutMs],
  maxHalfOpen: [1, maxCount],
  maxHalfOpenPerAddress: [1, maxCount],
  maxHttpConnections: [1, maxCount],
  maxHttpConnectionsPerAddress: [1, maxCount],
  loopbackReserve: [0, maxCount],
  maxConnections: [1, maxCount],
  maxConnectionsPerAddress: [1, maxCount],
  maxSmallMessages: [1, maxCount],
  smallMessagesPerSecond: [1, maxCount],
  maxMessageBytes: [maxBodyBytes + overheadBytes, 67_108_864],
  highWaterMarkBytes: [1, maxBytes],
  maxBufferedBytes: [1, maxBytes],
  closeTimeoutMs: [1, maxTimeoutMs],
};

const checkChannelOptions = checkNumbers(channelDefaults);

/**
 * Checks settings and fills in the defaults.
 * @throws RangeError for a value that is not a whole number in its range
 */
export function resolveChannelOptions(options: ChannelOptions = {}): ChannelConfig {
  checkChannelOptions("channel", options);
  const setting = (name: keyof ChannelConfig): number => {
    const value = options[name] ?? channelDefaults[name];
    const [min, max] = ranges[name];
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new RangeError(`${name} is a whole number from ${min} to ${max}, not ${value}`);
    }
    return value;
  };
  const config: ChannelConfig = {
    handshakeTimeoutMs: setting("handshakeTimeoutMs"),
    maxHalfOpen: setting("maxHalfOpen"),
    maxHalfOpenPerAddress: setting("maxHalfOpenPerAddress"),
    maxHttpConnections: setting("maxHttpConnections"),
    maxHttpConnectionsPerAddress: setting("maxHttpConnectionsPerAddress"),
    loopbackReserve: setting("loopbackReserve"),
    maxConnections: setting("maxConnections"),
    maxConnectionsPerAddress: setting("maxConnectionsPerAddress"),
    maxMessageBytes: setting("maxMessageBytes"),
    maxSmallMessages: setting("maxSmallMessages"),
    smallMessagesPerSecond: setting("smallMessagesPerSecond"),
    highWaterMarkBytes: setting("highWaterMarkBytes"),
    maxBufferedBytes: setting("maxBufferedBytes"),
    closeTimeoutMs: setting("closeTimeoutMs"),
  };
  if (config.maxBufferedBytes < config.highWaterMarkBytes) {
    throw new RangeError(
      `maxBufferedBytes (${config.maxBufferedBytes}) is below highWaterMarkBytes (${config.highWaterMarkBytes})`,
    );
  }
  return Object.freeze(config);
}

/** What a websocket's messages that carry next to nothing are taken from. */
export function floodBucket(clock: Clock, config: ChannelConfig): TokenBucket {
  return new TokenBucket(clock, { burst: config.maxSmallMessages, perSecond: config.smallMessagesPerSecond });
}

/**
 * The network key of a network's name: its sha256. Only nodes of the same network key understand one another.
 * @param name any text; its UTF-8 bytes are hashed @default "dev"
 * @returns 32 bytes
 */
export function networkKeyOf(name = "dev"): Uint8Array {
  return new Uint8Array(createHash("sha256").update(name, "utf8").digest());
}
