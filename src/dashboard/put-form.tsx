// Puts a value, or updates and deletes one of those that the node signs.
import { useState } from "preact/hooks";
import { Action } from "./action.tsx";
import type { NodeApi } from "./api.ts";
import { Copy, Fault } from "./panel.tsx";
import { useTask } from "./task.ts";
import { byteCount, keepersText } from "./text.ts";

const maxValueBytes = 65_536;
const maxSaltBytes = 64;

interface Stored {
  readonly key: string;
  readonly text: string;
}

interface PutFormProps {
  readonly api: NodeApi;
  /** Told the key of what was put. */
  readonly onPut: (key: string) => void;
}

/** A form for a value, and for its salt where the node signs it. */
export function PutForm({ api, onPut }: PutFormProps) {
  const [text, setText] = useState("");
  const [salt, setSalt] = useState("");
  const [isSigned, setSigned] = useState(false);
  const [stored, setStored] = useState<Stored>();
  const { isBusy, error, run } = useTask();
  const value = new TextEncoder().encode(text);
  const saltBytes = new TextEncoder().encode(salt);
  const isTooLong = value.length > maxValueBytes || (isSigned && saltBytes.length > maxSaltBytes);
  const store = (work: (signal: AbortSignal) => Promise<Stored>): Promise<void> =>
    run(async (signal) => {
      setStored(undefined);
      const done = await work(signal);
      setStored(done);
      onPut(done.key);
    });
  const put = (): Promise<void> =>
    store(async (signal) => {
      if (!isSigned) {
        const answer = await api.node.putValue({ value }, { signal });
        return { key: answer.key, text: `Kept by ${keepersText(answer)}` };
      }
      const updated = await api.node.updateValue({ value, salt: saltBytes }, { signal });
      return { key: updated.key, text: `Sequence ${updated.sequence}, kept by ${keepersText(updated)}` };
    });
  const remove = (): Promise<void> =>
    store(async (signal) => {
      const deleted = await api.node.deleteValue({ salt: saltBytes }, { signal });
      return { key: deleted.key, text: `Deleted with sequence ${deleted.sequence}, at ${keepersText(deleted)}` };
    });
  return (
    <form
      aria-label="Put"
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
        <input type="checkbox" checked={isSigned} onChange={({ currentTarget }) => setSigned(currentTarget.checked)} />
        <span>under this node's own key: replaces what was there</span>
      </label>
      {isSigned && (
        <label class="field">
          <span>Salt, tells apart the values of one node</span>
          <input
            class="mono"
            spellcheck={false}
            placeholder="none"
            value={salt}
            onInput={({ currentTarget }) => setSalt(currentTarget.value)}
          />
        </label>
      )}
      <div class="row">
        <Action type="submit" class="primary" isOff={isBusy || isTooLong}>
          {isBusy ? "Putting …" : "Put"}
        </Action>
        {isSigned && (
          <Action isOff={isBusy || isTooLong} onClick={() => void remove()}>
            Delete
          </Action>
        )}
        <span class={value.length > maxValueBytes ? "fault" : "muted"}>{`${byteCount(value.length)} of 64 KiB`}</span>
        {isSigned && saltBytes.length > maxSaltBytes && (
          <span class="fault">{`a salt of ${saltBytes.length} B, 64 are possible`}</span>
        )}
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
