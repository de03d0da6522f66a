// How a value changes.
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import { bytesText, counted, shown } from "./text.ts";

const maxShown = 300;

/** The value at some time. */
export interface Change {
  /** From 1. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Undefined where there is none, or none any more. */
  readonly record: DhtRecord | undefined;
}

interface WatchViewProps {
  /** The newest first. */
  readonly changes: readonly Change[];
  readonly isWatching: boolean;
}

/** What was under the key and since when, the newest first. */
export function WatchView({ changes, isWatching }: WatchViewProps) {
  return (
    <div class="answer">
      <p class="facts" role="status">
        {`${isWatching ? "Watched" : "No longer watched"}: ${counted(changes[0]?.number ?? 0, "state", "states")} so far`}
      </p>
      <ol class="messages scroll" aria-label="States of the value, the newest first" tabIndex={0}>
        {changes.map(({ number, timeMs, record }) => (
          <li key={number}>
            <small>{new Date(timeMs).toLocaleTimeString("en-GB")}</small>
            <span>{stateText(record)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function stateText(record: DhtRecord | undefined): string {
  const kind = record?.kind;
  if (kind?.case === "immutable") return shown(bytesText(kind.value.value).text, maxShown);
  if (kind?.case !== "mutable" || kind.value.deleted) return "There is no value.";
  return shown(`#${kind.value.sequence} ${bytesText(kind.value.value).text}`, maxShown);
}
