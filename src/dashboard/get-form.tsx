// Gets a value, by its key or by its signer and salt, and watches it.
import { useState } from "preact/hooks";
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import { Action } from "./action.tsx";
import type { NodeApi } from "./api.ts";
import { Keepers } from "./keepers-view.tsx";
import { Fault } from "./panel.tsx";
import { RecordView } from "./record-view.tsx";
import { signedKey } from "./signed-key.ts";
import { useTask } from "./task.ts";
import { type Change, WatchView } from "./watch-view.tsx";

const watchMs = 1000;
const maxChanges = 50;

interface GetFormProps {
  readonly api: NodeApi;
  readonly wanted: string;
  readonly onWanted: (key: string) => void;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

/** A form for a key, or for a signer's id and a salt. */
export function GetForm({ api, wanted, onWanted, selected, onSelect }: GetFormProps) {
  const [salt, setSalt] = useState("");
  const [found, setFound] = useState<{ readonly key: string; readonly record: DhtRecord | undefined }>();
  const [changes, setChanges] = useState<readonly Change[]>();
  const [isWatching, setWatching] = useState(false);
  const { isBusy, error, run, stop } = useTask();
  const isSigner = wanted.trim().startsWith("@");
  const keyOf = (): Promise<string> | string => (isSigner ? signedKey(wanted, salt) : wanted.trim());
  /** What was found before is of another question. */
  const clear = (): void => {
    stop();
    setWatching(false);
    setFound(undefined);
    setChanges(undefined);
  };
  const get = (): Promise<void> => {
    clear();
    return run(async (signal) => {
      const key = await keyOf();
      const { record } = await api.node.getValue({ key }, { signal });
      setFound({ key, record });
    });
  };
  const watch = async (): Promise<void> => {
    clear();
    setWatching(true);
    await run(async (signal) => {
      const key = await keyOf();
      setChanges([]);
      for await (const { record } of api.node.watchValue({ key, intervalMs: watchMs }, { signal })) {
        setChanges((before = []) =>
          [{ number: (before[0]?.number ?? 0) + 1, timeMs: Date.now(), record }, ...before].slice(0, maxChanges),
        );
      }
    });
  };
  return (
    <form
      aria-label="Get and watch"
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
          placeholder="&amp; and base64, or the @id of a signer"
          value={wanted}
          onInput={({ currentTarget }) => {
            clear();
            onWanted(currentTarget.value);
          }}
        />
      </label>
      {isSigner && (
        <label class="field">
          <span>Salt of the signer's value</span>
          <input
            class="mono"
            spellcheck={false}
            placeholder="none"
            value={salt}
            onInput={({ currentTarget }) => {
              clear();
              setSalt(currentTarget.value);
            }}
          />
        </label>
      )}
      <div class="row">
        <Action type="submit" class="primary" isOff={isBusy}>
          {isBusy && !isWatching ? "Getting …" : "Get"}
        </Action>
        <Action
          isOff={(isBusy && !isWatching) || wanted.trim() === ""}
          onClick={() => {
            if (isWatching && isBusy) {
              stop();
              setWatching(false);
            } else void watch();
          }}
        >
          {isWatching && isBusy ? "Stop watching" : "Watch"}
        </Action>
      </div>
      <Fault text={error} />
      {found?.record !== undefined && <RecordView record={found.record} recordKey={found.key} />}
      {/* Of another key it is another question. */}
      <Keepers key={`${wanted} ${salt}`} {...{ api, keyOf, selected, onSelect }} isOff={wanted.trim() === ""} />
      {changes !== undefined && <WatchView changes={changes} isWatching={isWatching && isBusy} />}
    </form>
  );
}
