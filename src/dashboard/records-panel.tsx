// The records that the node keeps for others and publishes itself, a page at a time.
import { useState } from "preact/hooks";
import { RecordKind } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import { beyondStatus, type NodeApi } from "./api.ts";
import { usePolled } from "./hooks.ts";
import { Empty, Panel } from "./panel.tsx";
import { byteCount, count, duration, shortId } from "./text.ts";

const intervalMs = 5000;
const page = 50;

const kinds: Readonly<Record<RecordKind, string>> = {
  [RecordKind.UNSPECIFIED]: "",
  [RecordKind.IMMUTABLE]: "immutable",
  [RecordKind.MUTABLE]: "mutable",
  [RecordKind.PROVIDER]: "provider",
};

/** A table with the way through its pages. */
export function RecordsPanel({ api }: { readonly api: NodeApi }) {
  /** Where the pages before began, and where this one does. */
  const [starts, setStarts] = useState<readonly string[]>([""]);
  const { value, error, reload } = usePolled(
    (signal) => api.node.listRecords({ limit: page, after: starts.at(-1) ?? "" }, { signal }),
    intervalMs,
  );
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
            <tbody>
              {records.map(({ id, key, kind, bytes, ttlS, storedBy, published: isPublished }) => (
                <tr key={id}>
                  <td>
                    <code title={key}>{shortId(key)}</code>
                  </td>
                  <td>{kinds[kind] ?? ""}</td>
                  <td class="number">{byteCount(bytes)}</td>
                  <td class="number">{ttlS === undefined ? "–" : duration(ttlS * 1000)}</td>
                  <td>{isPublished ? "this node" : storedBy === "" ? "–" : <code>{shortId(storedBy)}</code>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
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
