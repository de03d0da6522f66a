// Bootstrap addresses: connected to at the start and again whenever such a connection is lost, with growing pauses.
import type { NodeId } from "../identity/node-id.ts";
import type { RpcConnection } from "../rpc/mux.ts";
import { jittered } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { NodeConfig } from "./options.ts";
import type { PeerBook } from "./peers.ts";

const firstPauseMs = 500;
const longestPauseMs = 30_000;
const pauseJitter = 0.2;
const watchIntervalMs = 5000;

/** Keeps connections to the bootstrap peers. Returns a function that stops it. */
export function keepBootstrapped(
  config: NodeConfig,
  peers: PeerBook,
  connect: (id: NodeId) => RpcConnection | Promise<RpcConnection>,
  node: { isConnected(id: NodeId): boolean },
): () => void {
  const { clock, logger } = config;
  const stoppers = config.bootstrap.map(({ id, host, port }) => {
    let stopTimer: (() => void) | undefined;
    let stopped = false;
    let pauseMs = firstPauseMs;
    const attempt = async (): Promise<void> => {
      if (!node.isConnected(id)) {
        peers.addCandidate(id, [{ host, port }], "bootstrap");
        try {
          await connect(id);
          pauseMs = firstPauseMs;
        } catch (error) {
          logger.warn({ event: "bootstrap_failed", id: id.toString(), reason: messageOf(error) }, "bootstrap failed");
          pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        }
      }
      if (stopped) return;
      const delayMs = node.isConnected(id) ? watchIntervalMs : pauseMs;
      stopTimer = clock.setTimeout(() => void attempt(), jittered(clock, delayMs, pauseJitter));
    };
    void attempt();
    return () => {
      stopped = true;
      stopTimer?.();
    };
  });
  return () => {
    for (const stop of stoppers) stop();
  };
}
