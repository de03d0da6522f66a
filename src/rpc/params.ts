// Numbers of the RPC layer: those fixed by the protocol, and those that each end chooses for itself.
import { checkNumbers } from "../util/arguments.ts";

/** Fixed by the protocol (docs/protocol.md): both ends rely on them. */
export const protocol = {
  /** Bytes of an encoded frame at most, without its length prefix. */
  maxFrameBytes: 131_072,
  /** Message bytes at most in one Data, Open or End frame: 64 KiB of payload with the fields around it fit. */
  maxPieceBytes: 69_632,
  /** Bytes of metadata keys and values at most, in one Open, Header or End frame, each list by itself. */
  maxMetadataBytes: 16_384,
  /** Metadata entries at most, likewise. */
  maxMetadataEntries: 128,
  /** Bytes of an error message at most. */
  maxErrorMessageBytes: 4096,
  /** Bytes of a method name at most. */
  maxMethodBytes: 256,
  /** Credit that a Data frame costs beyond its payload, so that empty messages are bounded too. */
  dataFrameCost: 64,
  /** Credit of a new stream, each way: one Data frame of the largest piece, and 4 KiB less 64 bytes. */
  initialStreamCredit: 73_728,
  /** Credit of a new connection, each way. */
  initialConnectionCredit: 1_048_576,
} as const;

/** What a node may set of its RPC layer. */
export interface RpcOptions {
  /** Bytes of one message at most, sent or received. 1 to 2^30. @default 16777216 */
  readonly maxMessageBytes?: number;
  /**
   * Calls that a peer may have here at once on one connection, from their opening until nothing of their handlers runs any
   * more. At least 1. @default 1024
   */
  readonly maxConcurrentStreams?: number;
  /** Bytes that a peer may send ahead of a consumer on one stream. At least 73728. @default 262144 */
  readonly streamWindowBytes?: number;
  /**
   * Bytes of incomplete messages on one connection that may grow beyond the windows of their streams at the same time. Above it,
   * only the oldest of these messages gets more credit, then the next: more speeds up many large messages at once, less saves
   * memory. At least 73728. @default 8388608
   */
  readonly maxAssemblingBytes?: number;
  /**
   * Bytes by which the windows of all streams of a connection may be above their first credit. More lets more streams run at full speed
   * over long distances, less saves memory. 0 to 2^31. @default 8388608
   */
  readonly windowPoolBytes?: number;
  /**
   * Bytes that a node holds for all its peers: what they sent and nobody has consumed, what they have not taken, and 4096 for each call
   * that runs. Above it, the node ends the connection that holds most. Windows shrink from half of it on. At least
   * 1048576. @default 67108864
   */
  readonly maxHeldBytes?: number;
  /**
   * The received part of it from one IP address, from which on new calls from there are refused. At least 131072.
   * @default 50331648
   */
  readonly maxHeldBytesPerAddress?: number;
  /**
   * The same on one connection. Calls wait while a third as much is unsent on it. To be above `maxMessageBytes` and `maxAssemblingBytes`
   * together, or large messages turn away other calls. At least 131072. @default 50331648
   */
  readonly maxHeldBytesPerConnection?: number;
  /**
   * Time in milliseconds without progress after which a request that is incomplete is ended: a message of which pieces are missing,
   * or a unary or server-streaming call without its message or its end. 1 to 2^31-1. @default 30000
   */
  readonly requestTimeoutMs?: number;
  /**
   * Time in milliseconds in which a peer takes nothing of what waits for it, after which the connection is ended. 1 to
   * 2^31-1. @default 15000
   */
  readonly writeTimeoutMs?: number;
  /** Longest time in milliseconds for a call that names one; longer ones are cut to it. @default 86400000 */
  readonly maxTimeoutMs?: number;
  /** Silence in milliseconds after which the peer is probed. @default 15000 */
  readonly keepaliveIntervalMs?: number;
  /** Time in milliseconds for the answer to a probe, after which the connection is ended. @default 10000 */
  readonly keepaliveTimeoutMs?: number;
  /**
   * Time in milliseconds without a call after which the connection is closed. A node that serves something keeps the connections that it
   * has dialed for calls, to peers that have not reached its port: it makes a call each third of that time. 0 is never. @default 300000
   */
  readonly idleTimeoutMs?: number;
  /**
   * Faults that a peer may commit at once on a connection, which then ends with `too_many_faults`. Faults are refused calls, streams
   * and requests that break the protocol, frames that carry nothing, pings, and credit of less than 64 bytes. Fewer end a flood
   * sooner, and may end connections of peers that ask for much that is not served. 1 to 2^30. @default 20000
   */
  readonly maxFaults?: number;
  /** Faults that are forgiven each second. 1 to 2^30. @default 5000 */
  readonly faultsPerSecond?: number;
  /** Time in milliseconds that calls in flight have to finish when the connection is closed. @default 5000 */
  readonly drainTimeoutMs?: number;
}

/** Checked settings of the RPC layer. */
export type RpcConfig = Readonly<Required<RpcOptions>>;

/** The defaults of RpcOptions. */
export const rpcDefaults: RpcConfig = Object.freeze({
  maxMessageBytes: 16_777_216,
  maxConcurrentStreams: 1024,
  streamWindowBytes: 262_144,
  maxAssemblingBytes: 8_388_608,
  windowPoolBytes: 8_388_608,
  maxHeldBytes: 67_108_864,
  maxHeldBytesPerAddress: 50_331_648,
  maxHeldBytesPerConnection: 50_331_648,
  requestTimeoutMs: 30_000,
  writeTimeoutMs: 15_000,
  maxTimeoutMs: 86_400_000,
  keepaliveIntervalMs: 15_000,
  keepaliveTimeoutMs: 10_000,
  idleTimeoutMs: 300_000,
  maxFaults: 20_000,
  faultsPerSecond: 5000,
  drainTimeoutMs: 5000,
});

const ranges: { readonly [Name in keyof RpcConfig]: readonly [number, number] } = {
  maxMessageBytes: [1, 2 ** 30],
  maxConcurrentStreams: [1, 2 ** 20],
  streamWindowBytes: [protocol.initialStreamCredit, 2 ** 30],
  maxAssemblingBytes: [protocol.initialStreamCredit, 2 ** 31],
  windowPoolBytes: [0, 2 ** 31],
  maxHeldBytes: [protocol.initialConnectionCredit, 2 ** 40],
  maxHeldBytesPerAddress: [protocol.maxFrameBytes, 2 ** 40],
  maxHeldBytesPerConnection: [protocol.maxFrameBytes, 2 ** 40],
  requestTimeoutMs: [1, 2 ** 31 - 1],
  writeTimeoutMs: [1, 2 ** 31 - 1],
  maxTimeoutMs: [1, 2 ** 31 - 1],
  keepaliveIntervalMs: [1, 2 ** 31 - 1],
  keepaliveTimeoutMs: [1, 2 ** 31 - 1],
  idleTimeoutMs: [0, 2 ** 31 - 1],
  maxFaults: [1, 2 ** 30],
  faultsPerSecond: [1, 2 ** 30],
  drainTimeoutMs: [0, 2 ** 31 - 1],
};

const checkRpcOptions = checkNumbers(rpcDefaults);

/**
 * Fills in defaults and checks.
 * @throws RangeError for a value out of its range
 */
export function resolveRpcOptions(options: RpcOptions = {}): RpcConfig {
  checkRpcOptions("rpc", options);
  const config = { ...rpcDefaults, ...withoutUndefined(options) };
  for (const name of Object.keys(ranges) as (keyof RpcConfig)[]) {
    const [low, high] = ranges[name];
    const value = config[name];
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new RangeError(`${name} is a whole number from ${low} to ${high}, not ${value}`);
    }
  }
  return Object.freeze(config);
}

function withoutUndefined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
