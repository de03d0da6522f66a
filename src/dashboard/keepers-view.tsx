// The nodes that are closest to a key, and which of them keep something under it.
import { useState } from "preact/hooks";
import type { Keeper } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import type { NodeApi } from "./api.ts";
import { useOneStop } from "./one-stop.ts";
import { Fault } from "./panel.tsx";
import { useTask } from "./task.ts";
import { count, counted, duration, shortId, shown } from "./text.ts";

interface KeepersProps {
  readonly api: NodeApi;
  /** Gives the key that is asked for. */
  readonly keyOf: () => Promise<string> | string;
  readonly isOff?: boolean;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

/** A button that asks, and the answer. */
export function Keepers({ api, keyOf, isOff = false, selected, onSelect }: KeepersProps) {
  const [keepers, setKeepers] = useState<readonly Keeper[]>();
  const { isBusy, error, run } = useTask();
  const ask = (): Promise<void> =>
    run(async (signal) => {
      setKeepers(undefined);
      setKeepers((await api.node.findKeepers({ key: await keyOf() }, { signal })).nodes);
    });
  return (
    <div class="keepers">
      <Action isOff={isOff || isBusy} onClick={() => void ask()}>
        {isBusy ? "Asking …" : "Who keeps it"}
      </Action>
      <Fault text={error} />
      {keepers !== undefined && <KeepersView keepers={keepers} selected={selected} onSelect={onSelect} />}
    </div>
  );
}

interface KeepersViewProps extends Pick<KeepersProps, "selected" | "onSelect"> {
  /** The closest first. */
  readonly keepers: readonly Keeper[];
}

function KeepersView({ keepers, selected, onSelect }: KeepersViewProps) {
  const oneStop = useOneStop<HTMLUListElement>();
  const keep = keepers.filter(({ records }) => records > 0).length;
  return (
    <div class="answer">
      <p class="facts" role="status">
        {`${count(keep)} of the ${counted(keepers.length, "closest node", "closest nodes")} keep it`}
      </p>
      <ul {...oneStop} class="found scroll" aria-label="The closest nodes">
        {keepers.map((keeper) => (
          <li key={keeper.id} class={keeper.records > 0 ? "is-keeper" : undefined}>
            <button
              type="button"
              class="link"
              aria-pressed={keeper.id === selected}
              onClick={() => onSelect(keeper.id)}
            >
              <span class={`state ${keeper.records > 0 ? "is-on" : ""}`} aria-hidden="true" />
              <span class="unseen">Select </span>
              <code>{shortId(keeper.id)}</code>{" "}
              <small>{shown([keeper.self ? "this node" : keeper.addresses[0], keptText(keeper)].join(" · "))}</small>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function keptText({ records, sequence, ttlS }: Keeper): string {
  if (records === 0) return "keeps nothing";
  const facts = [
    records === 1 ? "keeps it" : `keeps ${counted(records, "record", "records")}`,
    sequence === 0n ? undefined : `sequence ${sequence}`,
    ttlS === undefined ? undefined : `for ${duration(ttlS * 1000)}`,
  ];
  return facts.filter((fact) => fact !== undefined).join(", ");
}
