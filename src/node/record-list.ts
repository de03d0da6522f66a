// The records of a node, a page at a time: those that it keeps, and those that it publishes.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type ListRecordsRequest,
  type ListRecordsResponseSchema,
  type RecordInfoSchema,
  RecordKind,
} from "../../gen/dswarm/v1/node_pb.ts";
import { type DhtRecord, sequenceOf } from "../dht/record.ts";
import type { RecordEntry, RecordStore } from "../dht/record-store.ts";

const defaultLimit = 100;
const maxLimit = 1000;
const maxIdLength = 256;

const kinds: Readonly<Record<DhtRecord["kind"], RecordKind>> = {
  immutable: RecordKind.IMMUTABLE,
  mutable: RecordKind.MUTABLE,
  provider: RecordKind.PROVIDER,
};

/** A page of a store's records, by id. */
export async function listRecords(
  store: RecordStore,
  { limit, after }: Pick<ListRecordsRequest, "limit" | "after">,
): Promise<MessageInitShape<typeof ListRecordsResponseSchema>> {
  if (limit > maxLimit) throw new ConnectError(`limit: at most ${maxLimit}`, Code.InvalidArgument);
  if (after.length > maxIdLength) throw new ConnectError(`after: at most ${maxIdLength}`, Code.InvalidArgument);
  const count = limit === 0 ? defaultLimit : limit;
  const publishedIds = store.publishedIds();
  const ids = new Set(publishedIds.filter((id) => id > after));
  for (const { id } of store.entries()) if (id > after) ids.add(id);
  const page = [...ids].sort().slice(0, count);
  const records = await Promise.all(page.map((id) => infoOf(store, id)));
  return {
    records: records.filter((record) => record !== undefined),
    next: ids.size > count ? (page.at(-1) ?? "") : "",
    held: store.size,
    published: publishedIds.length,
    heldBytes: store.bytes,
  };
}

/** Undefined where it has gone meanwhile. */
async function infoOf(store: RecordStore, id: string): Promise<MessageInitShape<typeof RecordInfoSchema> | undefined> {
  const held = store.entry(id);
  const publishedBytes = store.publishedBytes(id);
  const published = publishedBytes !== undefined;
  if (held !== undefined) return { ...heldInfo(held, store), published };
  const record = published ? await store.publishedRecord(id) : undefined;
  if (record === undefined) return undefined;
  const { key, kind } = record;
  const bytes = publishedBytes ?? 0;
  return { ...idInfo(id), key: key.toString(), kind: kinds[kind], bytes, sequence: sequenceOf(record), published };
}

function heldInfo(entry: RecordEntry, store: RecordStore): MessageInitShape<typeof RecordInfoSchema> {
  const { id, key, kind, bytes, sequence, from } = entry;
  return {
    ...idInfo(id),
    key: key.toString(),
    kind: kinds[kind],
    bytes,
    sequence,
    held: true,
    ttlS: Math.max(0, store.ttlOf(entry)),
    storedBy: from?.toString() ?? "",
  };
}

/** A provider's id ends with who it is. */
function idInfo(id: string): MessageInitShape<typeof RecordInfoSchema> {
  return { id, provider: id.split(" ")[2] ?? "" };
}
