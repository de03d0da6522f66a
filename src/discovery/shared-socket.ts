// One socket and receiver for all nodes of the process with the same settings, opened for the first, closed after the last.
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { MulticastSocket } from "./multicast.ts";
import type { DiscoveryConfig } from "./options.ts";
import { Receiver } from "./receiver.ts";

/** A node's share of a socket. */
export interface SharedSocket {
  readonly multicast: MulticastSocket;
  readonly receiver: Receiver;
  /** Gives the share back. Resolves when the socket is closed, if it was the last. */
  release(): Promise<void>;
}

interface Entry {
  readonly receiver: Receiver;
  readonly opening: Promise<MulticastSocket>;
  users: number;
}

/** By clock, then settings. Bounded by the nodes of the process. */
const entriesByClock = new WeakMap<Clock, Map<string, Entry>>();

/**
 * Takes a share of the process's socket for these settings.
 * @param logger used for the socket as long as it lives, when this call opens it
 * @throws DswarmError `interface_unknown`, `discovery_failed`
 */
export async function acquireSharedSocket(
  config: DiscoveryConfig,
  clock: Clock,
  logger: Logger,
): Promise<SharedSocket> {
  const entries = entriesByClock.get(clock) ?? new Map<string, Entry>();
  entriesByClock.set(clock, entries);
  const key = JSON.stringify(config);
  const entry = entries.get(key) ?? open(config, clock, logger);
  entries.set(key, entry);
  entry.users += 1;
  let released = false;
  const release = async (): Promise<void> => {
    if (released) return;
    released = true;
    entry.users -= 1;
    if (entry.users > 0) return;
    entries.delete(key);
    const multicast = await entry.opening.catch(() => undefined);
    await multicast?.close();
  };
  try {
    return { multicast: await entry.opening, receiver: entry.receiver, release };
  } catch (error) {
    await release();
    throw error;
  }
}

function open(config: DiscoveryConfig, clock: Clock, logger: Logger): Entry {
  const receiver = new Receiver(config, clock);
  return { receiver, opening: MulticastSocket.open({ config, clock, logger, sink: receiver }), users: 0 };
}
