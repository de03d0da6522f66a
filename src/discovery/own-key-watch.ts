// Notices another node that uses this node's key, by its announces.
//
// Only the holder of a key can sign announces, but anybody can replay them. So one counts if it is newer than all that this node has
// announced since its start, and is none of those. The node then announces itself under a larger epoch: the other one
// notices this node in the same way, and what was replayed is old from then on.
import type { Clock } from "../util/clock.ts";
import { decodeAnnounce } from "./announce.ts";

/** What the watch needs of its node. */
export interface OwnKeyWatchInit {
  /** 16 hex digits. */
  readonly networkId: string;
  readonly clock: Clock;
  /** Is told "host:port" of the other node, once a minute at most. */
  readonly onElsewhere: (address: string) => void;
  /** Announces this node under an epoch larger than that of the other node. */
  readonly outdo: (epochMs: number) => void;
}

const reportEveryMs = 60_000;
const maxSent = 16;

/** Watches announces under this node's key. */
export class OwnKeyWatch {
  readonly #init: OwnKeyWatchInit;
  /** Packets of this node, one character a byte, the newest last. Bounded by 16. */
  readonly #sent: string[] = [];
  #newestMs = 0;
  #reportedAt = -Infinity;

  constructor(init: OwnKeyWatchInit) {
    this.#init = init;
  }

  /** Notes a packet that this node is about to announce, and its epoch. */
  announced(packet: Uint8Array, epochMs: number): void {
    this.#sent.push(textOf(packet));
    if (this.#sent.length > maxSent) this.#sent.shift();
    this.#newestMs = epochMs;
  }

  /** Takes a packet under this node's key whose signature was verified, and the address that it came from. */
  heard(packet: Uint8Array, source: string): void {
    const { clock, networkId, onElsewhere, outdo } = this.#init;
    if (this.#sent.includes(textOf(packet)) || clock.now() - this.#reportedAt < reportEveryMs) return;
    const decoded = decodeAnnounce(packet, new Set([networkId]));
    if ("drop" in decoded || decoded.announce.leaving || decoded.announce.epochMs < this.#newestMs) return;
    this.#reportedAt = clock.now();
    onElsewhere(`${source}:${decoded.announce.port}`);
    outdo(decoded.announce.epochMs);
  }
}

function textOf(packet: Uint8Array): string {
  return Buffer.from(packet).toString("latin1");
}
