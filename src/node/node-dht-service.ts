// The part of NodeService that is about the DHT.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { FoundNodeSchema, KeeperSchema, LookupResponseSchema, NodeService } from "../../gen/dswarm/v1/node_pb.ts";
import type { Contact } from "../dht/contact.ts";
import type { LookupResult } from "../dht/lookup-options.ts";
import type { Published } from "../dht/publisher.ts";
import { sequenceOf } from "../dht/record.ts";
import { recordToMessage } from "../dht/record-codec.ts";
import { RecordKey } from "../dht/record-key.ts";
import type { Keeper } from "../dht/value-reader.ts";
import { NodeId, nodeIdBytes, sharedBits } from "../identity/node-id.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import { DswarmError } from "../util/errors.ts";
import type { DswarmNode } from "./node.ts";
import { listRecords } from "./record-list.ts";

type DhtMethod =
  | "putValue"
  | "getValue"
  | "updateValue"
  | "deleteValue"
  | "provide"
  | "unprovide"
  | "findProviders"
  | "findKeepers"
  | "lookup"
  | "listBuckets"
  | "listRecords";

const maxProviders = 64;
const maxUint32 = 2 ** 32 - 1;

/** Serves the DHT of a node to its owner. */
export function createNodeDhtService({ dht, config }: DswarmNode): Pick<ServiceImpl<typeof NodeService>, DhtMethod> {
  return {
    async putValue({ value, key }, { signal }) {
      if (key !== "" && !RecordKey.parse(key).equals(RecordKey.ofValue(value))) {
        throw new DswarmError("record_invalid", "the value has another key");
      }
      const published = await dht.put(value, { signal });
      return placeOf(published);
    },
    async getValue({ key }, { signal }) {
      const found = await dht.find(key, { signal });
      if (found === undefined) throw new DswarmError("record_not_found");
      return { record: recordToMessage(found.record, found.ttlS) };
    },
    async updateValue({ value, salt, expectedSequence }, { signal }) {
      const updated = await dht.update(value, { salt, expectedSequence, signal });
      return { ...placeOf(updated), sequence: updated.sequence };
    },
    async deleteValue({ salt, expectedSequence }, { signal }) {
      const deleted = await dht.delete({ salt, expectedSequence, signal });
      return { ...placeOf(deleted), sequence: deleted.sequence };
    },
    async provide(request, { signal }) {
      return placeOf(await dht.provide(keyOf(request), { signal }));
    },
    async unprovide(request, { signal }) {
      const key = keyOf(request);
      await dht.unprovide(key, { signal });
      return { key: key.toString() };
    },
    async findProviders(request, { signal }) {
      const { limit } = request;
      if (limit > maxProviders) throw new ConnectError(`limit: at most ${maxProviders}`, Code.InvalidArgument);
      const key = keyOf(request);
      const providers = await dht.findProviders(key, { signal, limit: limit === 0 ? maxProviders : limit });
      return { key: key.toString(), providers: providers.map(({ provider }) => foundNode(provider)) };
    },
    async findKeepers({ key: text }, { signal }) {
      const key = RecordKey.parse(text);
      const nodes = await dht.keepers(key, { signal });
      return { key: key.toString(), nodes: nodes.map((node) => keeperMessage(node, key, dht.id)) };
    },
    async lookup({ key }, { signal }) {
      return lookupResponse(await dht.lookup(targetOf(key), { signal }));
    },
    listBuckets() {
      const now = config.clock.now();
      const buckets = [...dht.table.buckets()].map(({ index, entries }) => ({
        sharedBits: index,
        contacts: entries.map(({ contact, lastSeenAt, misses, rttMs }) => ({
          id: contact.id.toString(),
          addresses: contact.addresses.map(formatHostPort),
          lastSeenMs: Math.min(Math.round(now - lastSeenAt), maxUint32),
          misses,
          ...(rttMs !== undefined && { rttMs: rounded(rttMs) }),
        })),
      }));
      return { buckets };
    },
    listRecords(request) {
      return listRecords(dht.store, request);
    },
  };
}

/** What came of a lookup. */
export function lookupResponse({
  closest,
  hops,
  rpcs,
  failures,
  elapsedMs,
}: LookupResult<never>): MessageInitShape<typeof LookupResponseSchema> {
  return { closest: closest.map(foundNode), hops, queries: rpcs, failures, elapsedMs: rounded(elapsedMs) };
}

function keyOf({ key, name }: { readonly key: string; readonly name: string }): RecordKey {
  if ((key === "") === (name === "")) throw new ConnectError("either a key or a name is needed", Code.InvalidArgument);
  return key === "" ? RecordKey.ofName(name) : RecordKey.parse(key);
}

/** What a key or a NodeId stands for: 32 bytes. @throws DswarmError `node_id_invalid`, `record_key_invalid` */
export function targetOf(key: string): Uint8Array {
  return key.startsWith("@") ? NodeId.parse(key).bytes : RecordKey.parse(key).bytes;
}

function placeOf({ key, replicas, isKeptHere }: Published) {
  return { key: key.toString(), replicas, keptHere: isKeptHere };
}

function keeperMessage(
  { id, addresses, records }: Keeper,
  key: RecordKey,
  self: NodeId,
): MessageInitShape<typeof KeeperSchema> {
  return {
    id: id.toString(),
    addresses: addresses.map(formatHostPort),
    self: id.equals(self),
    distanceBits: nodeIdBytes * 8 - sharedBits(id.bytes, key.bytes),
    records: records.length,
    sequence: records.map(({ record }) => sequenceOf(record)).reduce((a, b) => (a > b ? a : b), 0n),
    ...(records.length > 0 && { ttlS: Math.max(...records.map(({ ttlS }) => ttlS)) }),
  };
}

function foundNode({ id, addresses }: Contact): MessageInitShape<typeof FoundNodeSchema> {
  return { id: id.toString(), addresses: addresses.map(formatHostPort) };
}

/** Milliseconds, to the microsecond. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
