// A node that this process runs: with a runtime file, and telling what it does as events.
import { resolve } from "node:path";
import { type CreateNodeOptions, createNode } from "../create-node.ts";
import type { DswarmNode } from "../node/node.ts";
import type { PeerInfo } from "../node/peers.ts";
import type { SwarmControl } from "../node/swarm-directory.ts";
import { toHex } from "../util/bytes.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { closestCount, type NodeEvent, shownPeer } from "./events.ts";
import type { Place } from "./flag-values.ts";
import type { Member } from "./member.ts";
import { RuntimeFiles } from "./runtime-files.ts";
import { RuntimeSwarm } from "./runtime-swarm.ts";

/** What a hosted node needs. */
export interface HostedNodeInit {
  readonly options: CreateNodeOptions;
  readonly place: Place;
  /** Undefined where there is no directory for them. */
  readonly files: RuntimeFiles | undefined;
  readonly onEvent: (event: NodeEvent) => void;
  /** Starts and stops nodes of the swarm. @default none does */
  readonly control?: SwarmControl | undefined;
}

/** A node of this process. */
export class HostedNode implements Member {
  readonly #init: HostedNodeInit;
  #starting: Promise<DswarmNode> | undefined;
  #node: DswarmNode | undefined;
  #removeFile = (): void => undefined;

  constructor(init: HostedNodeInit) {
    this.#init = init;
  }

  get id(): string | undefined {
    return this.#node?.id.toString();
  }

  /** @throws what `createNode` throws */
  async start(): Promise<void> {
    const { options, files, place, control } = this.#init;
    const swarm = files && new RuntimeSwarm(files, place.startedAtMs, control);
    const { api = true } = options;
    this.#starting = createNode({ ...options, api: api === false ? false : { ...(api !== true && api), swarm } });
    const node = await this.#starting;
    const { port, url, address, httpUrl, certificatePath } = node;
    const { onEvent } = this.#init;
    this.#node = node;
    this.#removeFile = addFile(node, this.#init);
    const id = node.id.toString();
    onEvent({
      event: "listening",
      id,
      port,
      url,
      address,
      ...(httpUrl !== undefined && { httpUrl }),
      ...(certificatePath !== undefined && { certificate: resolve(certificatePath) }),
    });
    const onPeer = (peer: PeerInfo): void => {
      const shown = shownPeer(peer);
      onEvent({ event: "peer", id, peer: shown.id, address: shown.address });
    };
    // Those that came before anybody listened.
    for (const peer of node.peers.closest()) onPeer(peer);
    node.on("peer", onPeer);
    node.on("peerLost", (peer, reason) => onEvent({ event: "peer_lost", id, peer: peer.toString(), reason }));
  }

  reportClosest(): void {
    if (this.#node === undefined) return;
    const peers = this.#node.peers.closest(undefined, closestCount).map(shownPeer);
    this.#init.onEvent({ event: "closest", id: this.#node.id.toString(), peers });
  }

  async close(): Promise<void> {
    // A start that failed has been told of where it was awaited.
    await this.#starting?.catch(() => undefined);
    const node = this.#node;
    if (node === undefined) return;
    this.#node = undefined;
    this.#removeFile();
    node.removeAllListeners("peer").removeAllListeners("peerLost");
    this.#init.onEvent({ event: "closing", id: node.id.toString() });
    await node.close();
  }
}

/** The directory of runtime files. Without it nodes run as well: only `ping` and `peers` do not find them. */
export function openRuntimeFiles(logger: Logger): RuntimeFiles | undefined {
  try {
    return RuntimeFiles.open();
  } catch (error) {
    warnOfFile(logger, error);
    return undefined;
  }
}

function addFile(node: DswarmNode, { place, files }: HostedNodeInit): () => void {
  const { port, url, address, certificateSha256 } = node;
  try {
    const remove = files?.add({
      pid: process.pid,
      id: node.id.toString(),
      port,
      url,
      address,
      certificateSha256: toHex(certificateSha256),
      startedAt: new Date(place.startedAtMs).toISOString(),
      index: place.index,
    });
    return remove ?? (() => undefined);
  } catch (error) {
    warnOfFile(node.config.logger, error);
    return () => undefined;
  }
}

function warnOfFile(logger: Logger, error: unknown): void {
  logger.warn({ event: "runtime_file_failed" }, `ping and peers will not find the node: ${messageOf(error)}`);
}
