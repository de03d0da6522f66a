// Values of the DHT: put them, get them.
import { useState } from "preact/hooks";
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import { Action } from "./action.tsx";
import { faultText, type NodeApi } from "./api.ts";
import { useLatest } from "./hooks.ts";
import { Copy, Fault, Panel } from "./panel.tsx";
import { byteCount, bytesText, duration, keepersText, shownLines } from "./text.ts";

const maxValueBytes = 65_536;
const maxShown = 20_000;

interface Stored {
  readonly key: string;
  readonly text: string;
}

/** Two forms side by side. */
export function ValuesPanel({ api }: { readonly api: NodeApi }) {
  const [key, setKey] = useState("");
  return (
    <Panel name="values" title="Values" lead="Kept by the nodes whose ids are closest to the key, for a day.">
      <div class="pair">
        <PutForm api={api} onPut={setKey} />
        <GetForm api={api} wanted={key} onWanted={setKey} />
      </div>
    </Panel>
  );
}

function PutForm({ api, onPut }: { readonly api: NodeApi; readonly onPut: (key: string) => void }) {
  const [text, setText] = useState("");
  const [isMutable, setMutable] = useState(false);
  const [stored, setStored] = useState<Stored>();
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const latest = useLatest();
  const value = new TextEncoder().encode(text);
  const put = async (): Promise<void> => {
    const signal = latest.next();
    setBusy(true);
    try {
      if (isMutable) {
        const updated = await api.node.updateValue({ value }, { signal });
        setStored({ key: updated.key, text: `Sequence ${updated.sequence}, kept by ${keepersText(updated)}` });
        onPut(updated.key);
      } else {
        const answer = await api.node.putValue({ value }, { signal });
        setStored({ key: answer.key, text: `Kept by ${keepersText(answer)}` });
        onPut(answer.key);
      }
      setError(undefined);
    } catch (thrown) {
      if (!signal.aborted) setError(faultText(thrown));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void put();
      }}
    >
      <label class="field">
        <span>Value</span>
        <textarea rows={3} value={text} onInput={({ currentTarget }) => setText(currentTarget.value)} />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={isMutable}
          onChange={({ currentTarget }) => setMutable(currentTarget.checked)}
        />
        <span>under this node's own key: replaces what was there</span>
      </label>
      <div class="row">
        <Action type="submit" class="primary" isOff={isBusy || value.length > maxValueBytes}>
          {isBusy ? "Putting …" : "Put"}
        </Action>
        <span class={value.length > maxValueBytes ? "fault" : "muted"}>{`${byteCount(value.length)} of 64 KiB`}</span>
      </div>
      <Fault text={error} />
      {stored !== undefined && (
        <div class="answer" role="status">
          <Copy text={stored.key} label="the key" />
          <p class="facts">{stored.text}</p>
        </div>
      )}
    </form>
  );
}

interface GetFormProps {
  readonly api: NodeApi;
  readonly wanted: string;
  readonly onWanted: (key: string) => void;
}

function GetForm({ api, wanted, onWanted }: GetFormProps) {
  const [record, setRecord] = useState<DhtRecord>();
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const latest = useLatest();
  const get = async (): Promise<void> => {
    const signal = latest.next();
    setBusy(true);
    setRecord(undefined);
    try {
      setRecord((await api.node.getValue({ key: wanted.trim() }, { signal })).record);
      setError(undefined);
    } catch (thrown) {
      if (!signal.aborted) setError(faultText(thrown));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void get();
      }}
    >
      <label class="field">
        <span>Key</span>
        <input
          class="mono"
          required
          spellcheck={false}
          placeholder="&amp; and base64"
          value={wanted}
          onInput={({ currentTarget }) => onWanted(currentTarget.value)}
        />
      </label>
      <Action type="submit" class="primary" isOff={isBusy}>
        {isBusy ? "Getting …" : "Get"}
      </Action>
      <Fault text={error} />
      {record !== undefined && <RecordView record={record} />}
    </form>
  );
}

function RecordView({ record: { kind, ttlS } }: { readonly record: DhtRecord }) {
  if (kind.case !== "immutable" && kind.case !== "mutable") return <p class="facts">A record of another kind.</p>;
  const { value } = kind.value;
  const { form, text } = bytesText(value);
  const facts = [
    kind.case === "mutable" ? `mutable, sequence ${kind.value.sequence}` : "immutable",
    byteCount(value.length),
    form === "hex" ? "not UTF-8, shown in hex" : undefined,
    `lives another ${duration(ttlS * 1000)}`,
  ];
  return (
    <div class="answer" role="status">
      <p class="facts">{facts.filter((fact) => fact !== undefined).join(" · ")}</p>
      {kind.case === "mutable" && kind.value.deleted ? (
        <p class="muted">Its signer has deleted it.</p>
      ) : (
        <pre tabIndex={0}>{shownLines(text, maxShown)}</pre>
      )}
    </div>
  );
}
