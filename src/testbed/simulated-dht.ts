// What the simulation needs of a DHT: the part of Dht that it uses, so that tests of the simulation run with less.
import type { Contact } from "../dht/contact.ts";
import type { DhtAnswers, DhtPeers } from "../dht/dht-peers.ts";
import type { LookupResult } from "../dht/lookup-options.ts";
import type { DhtRecord } from "../dht/record.ts";
import type { RecordKey } from "../dht/record-key.ts";
import type { RoutingTable } from "../dht/routing-table.ts";
import type { KeyPair } from "../identity/keys.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { Clock } from "../util/clock.ts";

/** The DHT of one simulated node; Dht is one. */
export interface SimulatedDht {
  /** What its peers are answered; undefined in client mode. */
  readonly answers: DhtAnswers | undefined;
  readonly table: Pick<RoutingTable, "seen" | "size">;
  /** Begins maintenance. */
  start(options?: { readonly join?: boolean }): void;
  /** Joins by contacts. */
  bootstrap(contacts: readonly Contact[]): Promise<void>;
  /** Publishes a value under the sha256 of itself. Rejects with a DswarmError when nobody keeps it. */
  put(value: Uint8Array): Promise<{ readonly key: RecordKey }>;
  get(key: RecordKey): Promise<DhtRecord | undefined>;
  /** The k closest to a target, 32 bytes. */
  lookup(target: Uint8Array): Promise<LookupResult<never>>;
  close(options?: { readonly handOver?: boolean }): Promise<void>;
}

/** What a simulated DHT is made of. */
export interface SimulatedDhtInit {
  readonly keys: KeyPair;
  readonly clock: Clock;
  readonly peers: DhtPeers;
  readonly addresses: () => readonly HostPort[];
}

/** Makes the DHT of one node. */
export type CreateDht = (init: SimulatedDhtInit) => SimulatedDht | Promise<SimulatedDht>;
