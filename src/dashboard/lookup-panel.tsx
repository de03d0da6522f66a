// A lookup in the DHT, replayed step by step.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Action } from "./action.tsx";
import { faultText, type NodeApi } from "./api.ts";
import { useLatest } from "./hooks.ts";
import { prefixOf, randomKey } from "./id-space.ts";
import type { Step, StepKind } from "./lookup-replay.ts";
import { tracedLookup } from "./lookup-trace.ts";
import { useOneStop } from "./one-stop.ts";
import { Empty, Panel } from "./panel.tsx";
import { duration, shortId, shown } from "./text.ts";

const maxSteps = 4000;
// A lookup on one machine takes milliseconds: it is shown at a pace that eyes follow.
const stepMs = 350;

/** The lookup that the picture shows. */
export interface ShownLookup {
  /** First 32 bits of the key. */
  readonly target: number;
  readonly steps: readonly Step[];
  /** How many of the steps have been taken. */
  readonly at: number;
}

interface LookupPanelProps {
  readonly api: NodeApi;
  readonly selected: string | undefined;
  readonly onShow: (lookup: ShownLookup | undefined) => void;
  readonly onSelect: (id: string) => void;
}

const verbs: Readonly<Record<StepKind, string>> = {
  asked: "asked",
  answered: "answered",
  slow: "is slow",
  "timed-out": "timed out",
  failed: "failed",
  ended: "The lookup ended",
};

/** The form, the controls of the replay, and its steps in words. */
export function LookupPanel({ api, selected, onShow, onSelect }: LookupPanelProps) {
  const [key, setKey] = useState("");
  const [target, setTarget] = useState<number>();
  const [steps, setSteps] = useState<readonly Step[]>([]);
  const [at, setAt] = useState(0);
  const [isPlaying, setPlaying] = useState(false);
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<string>();
  const latest = useLatest();
  useEffect(() => onShow(target === undefined ? undefined : { target, steps, at }), [target, steps, at, onShow]);
  useEffect(() => {
    if (!isPlaying) return undefined;
    if (at >= steps.length) {
      if (!isRunning) setPlaying(false);
      return undefined;
    }
    const timer = setTimeout(() => setAt(at + 1), stepMs);
    return () => clearTimeout(timer);
  }, [isPlaying, isRunning, at, steps.length]);

  const run = async (wanted: string): Promise<void> => {
    const prefix = prefixOf(wanted);
    if (prefix === undefined) {
      // Nor does the lookup before stay beside what is wrong with this one.
      clear();
      setError("A key or a node's id is 32 bytes: base64 after “&” or “@”, base64url, or 64 hex digits.");
      return;
    }
    const signal = latest.next();
    const taken: Step[] = [];
    let frame = 0;
    setError(undefined);
    setTarget(prefix);
    setSteps([]);
    setAt(0);
    setRunning(true);
    setPlaying(!matchMedia("(prefers-reduced-motion: reduce)").matches);
    try {
      for await (const step of tracedLookup(api, wanted, signal)) {
        taken.push(step);
        if (taken.length >= maxSteps) break;
        // What comes within one frame is shown at once.
        frame ||= requestAnimationFrame(() => {
          frame = 0;
          if (!signal.aborted) setSteps([...taken]);
        });
      }
    } catch (thrown) {
      if (!signal.aborted) setError(faultText(thrown));
    }
    if (signal.aborted) return;
    setSteps(taken);
    setRunning(false);
    // Without motion the end is shown, and the steps are there to be gone through.
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) setAt(taken.length);
  };
  const goTo = (step: number): void => {
    setPlaying(false);
    setAt(Math.min(steps.length, Math.max(0, step)));
  };
  const clear = (): void => {
    latest.stop();
    setPlaying(false);
    setRunning(false);
    setError(undefined);
    setTarget(undefined);
    setSteps([]);
    setAt(0);
  };
  const type = (text: string): void => {
    setError(undefined);
    setKey(text);
  };
  const last = steps.at(-1);
  return (
    <Panel
      name="lookup"
      title="Lookup"
      lead="Asks ever closer nodes until the closest to a key have answered."
      error={error}
      aside={
        target !== undefined && (
          <button type="button" class="quiet" onClick={clear}>
            Clear
          </button>
        )
      }
    >
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void run(key);
        }}
      >
        <input
          class="mono grows"
          aria-label="Key or id to look up"
          placeholder="Key or id"
          required
          spellcheck={false}
          value={key}
          onInput={({ currentTarget }) => type(currentTarget.value)}
        />
        <Action type="submit" class="primary" isOff={isRunning}>
          Look up
        </Action>
        <button type="button" onClick={() => type(randomKey())}>
          Random
        </button>
        <button type="button" disabled={selected === undefined} onClick={() => type(selected ?? "")}>
          Selected
        </button>
      </form>
      {target === undefined ? (
        <Empty>
          A lookup asks ever closer nodes until the closest have answered. Here it can be watched, step by step.
        </Empty>
      ) : (
        <>
          <div class="row replay" role="group" aria-label="Replay">
            <Action label="Step back" isOff={at === 0} onClick={() => goTo(at - 1)}>
              ‹
            </Action>
            <button
              type="button"
              class="play"
              disabled={steps.length === 0}
              onClick={() => {
                if (at >= steps.length) setAt(0);
                setPlaying(!isPlaying);
              }}
            >
              {isPlaying ? "Pause" : "Play"}
            </button>
            <Action label="Step on" isOff={at >= steps.length} onClick={() => goTo(at + 1)}>
              ›
            </Action>
            <input
              type="range"
              class="grows"
              min="0"
              max={steps.length}
              value={at}
              aria-label="Step of the lookup"
              aria-valuetext={`step ${at} of ${steps.length}`}
              onInput={({ currentTarget }) => goTo(currentTarget.valueAsNumber)}
            />
            <output class="mono">{`${at} / ${steps.length}`}</output>
          </div>
          {last?.kind === "ended" && <p class="facts">{shown(last.note)}</p>}
          <StepList steps={steps} at={at} onGo={goTo} onSelect={onSelect} />
        </>
      )}
    </Panel>
  );
}

interface StepListProps {
  readonly steps: readonly Step[];
  readonly at: number;
  readonly onGo: (step: number) => void;
  readonly onSelect: (id: string) => void;
}

const linesAround = 40;

/** The steps in words; of many those around the one that is shown. */
function StepList({ steps, at, onGo, onSelect }: StepListProps) {
  const { ref: list, ...oneStop } = useOneStop<HTMLOListElement>();
  const first = Math.max(0, Math.min(at - linesAround, steps.length - 2 * linesAround));
  const near = useMemo(() => steps.slice(first, first + 2 * linesAround), [steps, first]);
  useEffect(() => {
    // Only the list scrolls, never the page.
    const line = list.current?.querySelector<HTMLElement>("[aria-current]");
    if (list.current === null || line === null || line === undefined) return;
    list.current.scrollTop = line.offsetTop - list.current.clientHeight / 2;
  }, [at]);
  return (
    <ol class="steps scroll" ref={list} {...oneStop} start={first + 1} aria-label="Steps of the lookup" tabIndex={0}>
      {near.map((step, i) => {
        const number = first + i + 1;
        return (
          <li
            key={number}
            class={number > at ? "is-ahead" : `is-${step.kind}`}
            aria-current={number === at ? "step" : undefined}
          >
            <button
              type="button"
              class="link"
              onClick={() => {
                onGo(number);
                if (step.id !== "") onSelect(step.id);
              }}
            >
              <span class="time">{duration(step.atMs)}</span>
              <span>
                {step.kind !== "ended" && <code>{shortId(step.id)}</code>} {verbs[step.kind]}
                <small>{step.kind === "ended" ? "" : detailOf(step)}</small>
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function detailOf({ kind, hop, distanceBits, rttMs, learnt, note }: Step): string {
  const parts = [
    kind === "asked" ? `hop ${hop}, ${distanceBits} bits away` : undefined,
    rttMs === undefined ? undefined : duration(rttMs),
    learnt.length > 0 ? `${learnt.length} new` : undefined,
    note === "" ? undefined : shown(note, 80),
  ];
  return parts.filter((part) => part !== undefined).join(" · ");
}
