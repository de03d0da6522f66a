// The records that the node keeps for others and publishes itself, a page at a time.
import { useState } from "preact/hooks";
import { type RecordInfo, RecordKind } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import { beyondStatus, type NodeApi } from "./api.ts";
import { usePolled } from "./hooks.ts";
import { useOneStop } from "./one-stop.ts";
import { Empty, Panel } from "./panel.tsx";
import { RecordCard } from "./record-card.tsx";
import { byteCount, count, duration, shortId } from "./text.ts";

const intervalMs = 5000;
const page = 50;

const kinds: Readonly<Record<RecordKind, string>> = {
  [RecordKind.UNSPECIFIED]: "",
  [RecordKind.IMMUTABLE]: "immutable",
  [RecordKind.MUTABLE]: "mutable",
  [RecordKind.PROVIDER]: "provider",
};

interface RecordsPanelProps {
  readonly api: NodeApi;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

/** A table with the way through its pages. */
export function RecordsPanel({ api, selected, onSelect }: RecordsPanelProps) {
  /** Where the pages before began, and where this one does. */
  const [starts, setStarts] = useState<readonly string[]>([""]);
  const { value, error, reload } = usePolled(
    (signal) => api.node.listRecords({ limit: page, after: starts.at(-1) ?? "" }, { signal }),
    intervalMs,
  );
  const [open, setOpen] = useState<RecordInfo>();
  const oneStop = useOneStop<HTMLTableSectionElement>();
  const turnTo = (next: readonly string[]): void => {
    setStarts(next);
    // After the new start is known to the question.
    requestAnimationFrame(reload);
  };
  const { records = [], next = "", held = 0, published = 0, heldBytes = 0 } = value ?? {};
  return (
    <Panel
      name="records"
      title="Records"
      lead="What this node keeps for others, and what it publishes."
      error={beyondStatus(error)}
      aside={<span class="muted">{`${count(held)} kept, ${byteCount(heldBytes)}; ${count(published)} published`}</span>}
    >
      {records.length === 0 ? (
        <Empty>
          {value === undefined
            ? "The node is asked for its records."
            : "The node keeps no records, and publishes none."}
        </Empty>
      ) : (
        <div class="scroll" role="region" aria-label="Table of records" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Key</th>
                <th scope="col">Kind</th>
                <th scope="col" class="number">
                  Size
                </th>
                <th scope="col" class="number">
                  Expires in
                </th>
                <th scope="col">From</th>
              </tr>
            </thead>
            <tbody {...oneStop}>
              {records.map((record) => (
                <RecordRow
                  key={record.id}
                  record={record}
                  isOpen={record.id === open?.id}
                  onToggle={() => setOpen(record.id === open?.id ? undefined : record)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open !== undefined && (
        <RecordCard
          key={open.id}
          api={api}
          record={records.find(({ id }) => id === open.id) ?? open}
          kind={kinds[open.kind] ?? ""}
          onClose={() => setOpen(undefined)}
          selected={selected}
          onSelect={onSelect}
        />
      )}
      {(starts.length > 1 || next !== "") && (
        <div class="row">
          <Action isOff={starts.length === 1} onClick={() => turnTo(starts.slice(0, -1))}>
            Page before
          </Action>
          <Action isOff={next === ""} onClick={() => turnTo([...starts, next])}>
            Next page
          </Action>
        </div>
      )}
    </Panel>
  );
}

interface RecordRowProps {
  readonly record: RecordInfo;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

function RecordRow({ record, isOpen, onToggle }: RecordRowProps) {
  const { key, kind, bytes, ttlS, storedBy, published } = record;
  return (
    <tr class={isOpen ? "is-selected" : undefined} onClick={onToggle}>
      <td>
        <button
          type="button"
          class="link"
          aria-expanded={isOpen}
          aria-label={`Open record ${shortId(key)}`}
          title={key}
        >
          {shortId(key)}
        </button>
      </td>
      <td>{kinds[kind] ?? ""}</td>
      <td class="number">{byteCount(bytes)}</td>
      <td class="number">{ttlS === undefined ? "–" : duration(ttlS * 1000)}</td>
      <td>{published ? "this node" : storedBy === "" ? "–" : <code>{shortId(storedBy)}</code>}</td>
    </tr>
  );
}
