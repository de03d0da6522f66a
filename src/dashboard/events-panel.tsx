// What happens in the node, as it happens, and how much of it.
import { useMemo, useState } from "preact/hooks";
import type { Rates, WatchEventsResponse } from "../../gen/dswarm/v1/node_pb.ts";
import { beyondStatus, type NodeApi } from "./api.ts";
import { useStreamed } from "./hooks.ts";
import { useOneStop } from "./one-stop.ts";
import { Empty, Panel } from "./panel.tsx";
import { count, shortId, shown } from "./text.ts";

const ratesMs = 2000;
const past = 50;
const maxKept = 2000;
const maxShown = 200;
const maxPoints = 60;

interface EventsPanelProps {
  readonly api: NodeApi;
  readonly onSelect: (id: string) => void;
}

/** The rates with how they went, and the log with the newest first. */
export function EventsPanel({ api, onSelect }: EventsPanelProps) {
  const [events, setEvents] = useState<readonly WatchEventsResponse[]>([]);
  const [rates, setRates] = useState<readonly Rates[]>([]);
  const [isPaused, setPaused] = useState(false);
  const [filter, setFilter] = useState("");
  const oneStop = useOneStop<HTMLOListElement>();
  const error = useStreamed(
    (signal) => api.node.watchEvents({ ratesMs, past }, { signal }),
    (items) => {
      const newRates = items.map((item) => item.rates).filter((each) => each !== undefined);
      if (newRates.length > 0) setRates((before) => [...before, ...newRates].slice(-maxPoints));
      if (isPaused) return;
      setEvents((before) => {
        // After the stream was opened anew, those of the past come again.
        const known = new Set(before.map(({ number, timeMs }) => `${number} ${timeMs}`));
        const news = items.filter((item) => item.rates === undefined && !known.has(`${item.number} ${item.timeMs}`));
        return news.length === 0 ? before : [...news.toReversed(), ...before].slice(0, maxKept);
      });
    },
  );
  const found = useMemo(() => {
    const words = filter
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    return events.filter((event) => words.every((word) => textOf(event).includes(word)));
  }, [events, filter]);
  return (
    <Panel
      name="events"
      title="Events"
      lead="What happens in this node, as it happens."
      error={beyondStatus(error)}
      aside={
        <>
          <span class="muted">
            {found.length === events.length
              ? count(events.length)
              : `${count(found.length)} of ${count(events.length)}`}
          </span>
          <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
            {isPaused ? "Go on" : "Pause"}
          </button>
        </>
      }
    >
      <RatesView rates={rates} />
      <input
        type="search"
        class="filter"
        placeholder="Filter by name, id, key or address"
        aria-label="Filter events by name, id, key or address"
        value={filter}
        onInput={({ currentTarget }) => setFilter(currentTarget.value)}
      />
      {found.length === 0 ? (
        <Empty>{events.length === 0 ? "Nothing has happened yet." : "No event has all of that in it."}</Empty>
      ) : (
        <ol {...oneStop} class="log scroll" aria-label="Events, the newest first" tabIndex={0}>
          {found.slice(0, maxShown).map((event) => (
            <EventLine key={`${event.number} ${event.timeMs}`} event={event} onSelect={onSelect} />
          ))}
        </ol>
      )}
    </Panel>
  );
}

/** What the filter looks at: the name as it is and as it is shown, and whole ids. */
function textOf({ name, peer, key, address, detail }: WatchEventsResponse): string {
  return [name, name.replaceAll("_", " "), peer, key, address, detail].join(" ").toLowerCase();
}

interface EventLineProps {
  readonly event: WatchEventsResponse;
  readonly onSelect: (id: string) => void;
}

function EventLine({ event: { timeMs, name, peer, key, address, detail }, onSelect }: EventLineProps) {
  return (
    <li>
      <time>{new Date(timeMs).toLocaleTimeString("en-GB")}</time>
      <span class="kind">{shown(name.replaceAll("_", " "), 40)}</span>
      <span class="detail">
        {peer !== "" && (
          <button type="button" class="link" aria-label={`Select ${shortId(peer)}`} onClick={() => onSelect(peer)}>
            <code>{shortId(peer)}</code>
          </button>
        )}{" "}
        {key !== "" && <code>{shortId(key)}</code>} {shown([address, detail].filter((part) => part !== "").join(", "))}
      </span>
    </li>
  );
}

const shownRates = [
  ["Calls answered", "callsServed"],
  ["Calls made", "callsMade"],
  ["Announces", "announces"],
  ["API requests", "requests"],
] as const satisfies readonly (readonly [string, keyof Rates])[];

function RatesView({ rates }: { readonly rates: readonly Rates[] }) {
  return (
    <dl class="rates">
      {shownRates.map(([title, name]) => (
        <div key={name}>
          <dt>{title}</dt>
          <dd>{`${count(rates.at(-1)?.[name] ?? 0)} / s`}</dd>
          <dd>
            <Curve values={rates.map((each) => each[name])} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** How a rate went; what it is now stands beside it in figures. */
function Curve({ values }: { readonly values: readonly number[] }) {
  const highest = Math.max(1, ...values);
  const points = values.map((value, i) => `${i + maxPoints - values.length},${24 - (value / highest) * 22}`);
  return (
    <svg viewBox={`0 0 ${maxPoints - 1} 26`} preserveAspectRatio="none" aria-hidden="true">
      <polyline points={points.join(" ")} />
    </svg>
  );
}
