// One record of the node, opened: all that is known of it, and its value.
import { useEffect, useState } from "preact/hooks";
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import { type RecordInfo, RecordKind } from "../../gen/dswarm/v1/node_pb.ts";
import type { NodeApi } from "./api.ts";
import { Keepers } from "./keepers-view.tsx";
import { Copy, Fault } from "./panel.tsx";
import { RecordView } from "./record-view.tsx";
import { useTask } from "./task.ts";
import { byteCount, duration } from "./text.ts";

interface RecordCardProps {
  readonly api: NodeApi;
  readonly record: RecordInfo;
  /** "immutable", "mutable", "provider". */
  readonly kind: string;
  readonly onClose: () => void;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

/** The key, the facts and the value, each to be copied. */
export function RecordCard({ api, record, kind, onClose, selected, onSelect }: RecordCardProps) {
  const { id, key, bytes, sequence, ttlS, storedBy, published, provider } = record;
  const [value, setValue] = useState<DhtRecord>();
  const { isBusy, error, run } = useTask();
  const hasValue = record.kind !== RecordKind.PROVIDER;
  useEffect(() => {
    if (hasValue) void run(async (signal) => setValue((await api.node.getValue({ key }, { signal })).record));
  }, [api, id]);
  const facts = [
    kind,
    sequence === 0n ? undefined : `sequence ${sequence}`,
    `${byteCount(bytes)} in the store`,
    ttlS === undefined ? undefined : `expires in ${duration(ttlS * 1000)}`,
    published ? "published by this node" : undefined,
  ];
  return (
    <div class="answer" role="region" aria-label="Record">
      <div class="row">
        <Copy text={key} label="the key of the record" />
        <button type="button" class="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      <p class="facts">{facts.filter((fact) => fact !== undefined).join(" · ")}</p>
      {storedBy !== "" && (
        <p class="facts">
          {"Stored by "}
          <Copy text={storedBy} label="the id of the peer that stored it" />
        </p>
      )}
      {provider !== "" && (
        <p class="facts">
          {"Provider "}
          <Copy text={provider} label="the id of the provider" />
        </p>
      )}
      {isBusy && <p class="muted">Its value is asked for.</p>}
      <Fault text={error} />
      {value !== undefined && <RecordView record={value} />}
      <Keepers api={api} keyOf={() => key} selected={selected} onSelect={onSelect} />
    </div>
  );
}
