// What happens in the node, as it happens, and how much of it.
import { useState } from "preact/hooks";
import type { Rates, WatchEventsResponse } from "../../gen/dswarm/v1/node_pb.ts";
import { beyondStatus, type NodeApi } from "./api.ts";
import { useStreamed } from "./hooks.ts";
import { Empty, Panel } from "./panel.tsx";
import { count, shortId, shown } from "./text.ts";

const ratesMs = 2000;
const past = 50;
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
        return news.length === 0 ? before : [...news.toReversed(), ...before].slice(0, maxShown);
      });
    },
  );
  return (
    <Panel
      name="events"
      title="Events"
      lead="What happens in this node, as it happens."
      error={beyondStatus(error)}
      aside={
        <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? "Go on" : "Pause"}
        </button>
      }
    >
      <RatesView rates={rates} />
      {events.length === 0 ? (
        <Empty>Nothing has happened yet.</Empty>
      ) : (
        <ol class="log scroll" aria-label="Events, the newest first" tabIndex={0}>
          {events.map((event) => (
            <EventLine key={`${event.number} ${event.timeMs}`} event={event} onSelect={onSelect} />
          ))}
        </ol>
      )}
    </Panel>
  );
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
