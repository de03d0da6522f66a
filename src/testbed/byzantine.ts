// Nodes that do not keep to the protocol, for tests of those that do.
import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ContactSchema, RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { type Contact, contactToMessage } from "../dht/contact.ts";
import type { DhtPeers } from "../dht/dht-peers.ts";
import { NodeId } from "../identity/node-id.ts";
import { DswarmError } from "../util/errors.ts";
import type { VirtualClock } from "../util/virtual-clock.ts";
import type { PeerAnswers } from "./rpc-method.ts";

/** Ways in which a node answers wrongly. */
export const misbehaviours = ["dead-contacts", "own-contacts", "wrong-values", "oversized", "silent", "flood"] as const;

/**
 * One way to answer wrongly:
 * `dead-contacts` tells of nodes close to the target that are not there;
 * `own-contacts` tells of itself under invented ids close to the target;
 * `wrong-values` has a value for every key, which is not the key's;
 * `oversized` sends a thousand contacts and a value over the limit;
 * `silent` never answers;
 * `flood` answers as it should, and stores random values with others as fast as it can.
 */
export type Misbehaviour = (typeof misbehaviours)[number];

type ContactMessage = MessageInitShape<typeof ContactSchema>;
type RecordMessage = MessageInitShape<typeof RecordSchema>;

const idBytes = 32;
const inventedContacts = 20;
const oversizedContacts = 1000;
const oversizedValueBytes = 1_000_000;
const ttlS = 86_400;

/**
 * What a node that misbehaves answers.
 * @param self its contact
 * @param honest what it would answer
 */
export function misbehave(kind: Misbehaviour, clock: VirtualClock, self: Contact, honest: PeerAnswers): PeerAnswers {
  if (kind === "flood") return honest;
  if (kind === "silent") return { ping: never, findNode: never, findValue: never, store: never };
  const [own = ""] = contactToMessage(self).addresses ?? [];
  const nowhere = (): string => `10.255.${byte(clock)}.${byte(clock)}:9`;
  const invented: Readonly<Record<typeof kind, (target: Uint8Array) => ContactMessage[]>> = {
    "dead-contacts": (target) => invent(clock, target, inventedContacts, nowhere),
    "own-contacts": (target) => invent(clock, target, inventedContacts, () => own),
    oversized: (target) => invent(clock, target, oversizedContacts, nowhere),
    "wrong-values": () => [],
  };
  const values: Readonly<Record<typeof kind, () => RecordMessage[]>> = {
    "dead-contacts": () => [],
    "own-contacts": () => [],
    oversized: () => [immutable(new Uint8Array(oversizedValueBytes))],
    "wrong-values": () => [immutable(clock.randomBytes(16))],
  };
  return {
    ping: (request, caller) => honest.ping(request, caller),
    findNode: (request, caller) =>
      kind === "wrong-values" ? honest.findNode(request, caller) : { contacts: invented[kind](request.target) },
    findValue: ({ key }) => ({ records: values[kind](), contacts: invented[kind](key) }),
    // It says that it keeps what it forgets, and that others do whom it has not asked.
    store: ({ forwardTo }) => ({ keptBy: forwardTo }),
  };
}

/** A flood of stores. */
export interface StoreFloodOptions {
  readonly clock: VirtualClock;
  /** The flooding node's way to its peers. */
  readonly peers: DhtPeers;
  /** Who is flooded, in turn. */
  readonly victims: readonly Contact[];
  readonly storesPerSecond: number;
  /** Of each value. @default 1000 */
  readonly valueBytes?: number;
}

/**
 * Stores one random value after the other. What victims refuse is the sense of it and ignored.
 * @returns a function that ends it
 */
export function floodStores({
  clock,
  peers,
  victims,
  storesPerSecond,
  valueBytes = 1000,
}: StoreFloodOptions): () => void {
  const controller = new AbortController();
  let cancel: () => void;
  let next = 0;
  const flood = (): void => {
    const victim = victims[next++ % victims.length];
    if (victim === undefined) return;
    peers.store(victim, { record: immutable(clock.randomBytes(valueBytes)) }, controller.signal).catch(() => undefined);
    cancel = clock.setTimeout(flood, 1000 / storesPerSecond);
  };
  cancel = clock.setTimeout(flood, 0);
  return () => {
    cancel();
    controller.abort(new Error("the flood is over"));
  };
}

function never(): Promise<never> {
  return new Promise(() => {});
}

function immutable(value: Uint8Array): RecordMessage {
  return { kind: { case: "immutable", value: { value } }, ttlS };
}

/** Contacts that share at least the first 16 bits with the target, so that they look closer than any that is there. */
function invent(clock: VirtualClock, target: Uint8Array, count: number, address: () => string): ContactMessage[] {
  return Array.from({ length: count }, () => ({ id: inventId(clock, target).bytes, addresses: [address()] }));
}

/** A random id that shares its first 16 bits with the target. */
export function inventId(clock: VirtualClock, target: Uint8Array): NodeId {
  for (;;) {
    const id = new Uint8Array(createHash("sha256").update(clock.randomBytes(idBytes)).digest());
    id.set(target.subarray(0, 2));
    try {
      return NodeId.fromBytes(id);
    } catch (error) {
      if (!(error instanceof DswarmError)) throw error;
    }
  }
}

function byte(clock: VirtualClock): number {
  return Math.floor(clock.random() * 256);
}
