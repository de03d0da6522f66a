// What the panels share: asking again and again, only while the page is to be seen.
import { useEffect, useRef, useState } from "preact/hooks";
import { faultText } from "./api.ts";

/** What was loaded last, and why the last try failed. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly error: string | undefined;
  /** Loads now. */
  readonly reload: () => void;
}

// The node is on this machine, or near: to ask one that is gone costs little, and who restarts it looks at the page.
const longestPauseMs = 5000;
const shortestPauseMs = 1000;
const flushMs = 250;
const maxWaiting = 500;

/** Loads at once and then each `intervalMs`, counted from answer to question; after failures at pauses of 1 to 5 seconds. */
export function usePolled<T>(load: (signal: AbortSignal) => Promise<T>, intervalMs: number): Loaded<T> {
  const [state, setState] = useState<Pick<Loaded<T>, "value" | "error">>({ value: undefined, error: undefined });
  const wake = useRef<() => void>(() => undefined);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const stop = new AbortController();
    void (async () => {
      let pauseMs = shortestPauseMs;
      while (!stop.signal.aborted) {
        await untilVisible(stop.signal);
        try {
          const value = await latest.current(stop.signal);
          if (stop.signal.aborted) return;
          setState({ value, error: undefined });
          pauseMs = shortestPauseMs;
          await pause(intervalMs, stop.signal, (go) => (wake.current = go));
        } catch (error) {
          if (stop.signal.aborted) return;
          setState(({ value }) => ({ value, error: faultText(error) }));
          await pause(pauseMs, stop.signal, (go) => (wake.current = go));
          pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        }
      }
    })();
    return () => stop.abort();
  }, [intervalMs]);
  return { ...state, reload: () => wake.current() };
}

/**
 * Reads a stream as long as the page is to be seen, and opens it again when it ends; after failures at pauses of 1 to 5 seconds.
 * @param take is given what came within `flushMs`
 * @returns why it could not be opened
 */
export function useStreamed<T>(
  open: (signal: AbortSignal) => AsyncIterable<T>,
  take: (items: readonly T[]) => void,
): string | undefined {
  const [error, setError] = useState<string>();
  const latest = useRef({ open, take });
  latest.current = { open, take };
  useEffect(() => {
    const left = new AbortController();
    void (async () => {
      let pauseMs = shortestPauseMs;
      while (!left.signal.aborted) {
        await untilVisible(left.signal);
        const stop = new AbortController();
        const onVisibility = (): void => {
          if (document.hidden) stop.abort();
        };
        document.addEventListener("visibilitychange", onVisibility);
        const { signal } = stop;
        const onLeft = (): void => stop.abort();
        left.signal.addEventListener("abort", onLeft);
        const waiting: T[] = [];
        let isOpen = false;
        const flush = (): void => {
          if (waiting.length > 0 && !left.signal.aborted) latest.current.take(waiting.splice(0));
        };
        const timer = setInterval(flush, flushMs);
        try {
          for await (const item of latest.current.open(signal)) {
            isOpen = true;
            waiting.push(item);
            // However fast they come, memory is bounded.
            if (waiting.length >= maxWaiting) flush();
            pauseMs = shortestPauseMs;
            setError(undefined);
          }
        } catch (thrown) {
          // One that breaks off is opened again; that this fails is what there is to say.
          if (!signal.aborted && !isOpen) setError(faultText(thrown));
        }
        clearInterval(timer);
        flush();
        document.removeEventListener("visibilitychange", onVisibility);
        left.signal.removeEventListener("abort", onLeft);
        if (!stop.signal.aborted) await pause(pauseMs, left.signal);
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      }
    })();
    return () => left.abort();
  }, []);
  return error;
}

/** A signal of what was started last: `next()` aborts the one before, and leaving the page aborts all. */
export function useLatest(): { readonly next: () => AbortSignal; readonly stop: () => void } {
  const current = useRef<AbortController>(undefined);
  const stop = (): void => current.current?.abort();
  useEffect(() => stop, []);
  return {
    next: () => {
      stop();
      current.current = new AbortController();
      return current.current.signal;
    },
    stop,
  };
}

/** Resolves when the page is to be seen, or the signal aborts. */
function untilVisible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
    look();
  });
}

function pause(ms: number, signal: AbortSignal, onWake: (go: () => void) => void = () => undefined): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", go);
      resolve();
    };
    const timer = setTimeout(go, ms);
    signal.addEventListener("abort", go);
    if (signal.aborted) go();
    onWake(go);
  });
}
