// Work that a person starts: one at a time, and what it said before goes when it starts again.
import { useState } from "preact/hooks";
import { faultText } from "./api.ts";
import { useLatest } from "./hooks.ts";

/** Work that is started by a button. */
export interface Task {
  readonly isBusy: boolean;
  /** Why the last run failed. */
  readonly error: string | undefined;
  /** Aborts the run before, forgets its error, and runs. Never rejects. */
  readonly run: (work: (signal: AbortSignal) => Promise<void>) => Promise<void>;
  /** Aborts the run, and forgets its error. */
  readonly stop: () => void;
  /** Shows an error without a run. */
  readonly refuse: (error: string) => void;
}

/** Keeps the state of such work. Leaving the page aborts it. */
export function useTask(): Task {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const latest = useLatest();
  return {
    isBusy,
    error,
    run: async (work) => {
      const signal = latest.next();
      setBusy(true);
      setError(undefined);
      try {
        await work(signal);
      } catch (thrown) {
        if (!signal.aborted) setError(faultText(thrown));
      }
      if (!signal.aborted) setBusy(false);
    },
    stop: () => {
      latest.stop();
      setBusy(false);
      setError(undefined);
    },
    refuse: (text) => {
      latest.stop();
      setBusy(false);
      setError(text);
    },
  };
}
