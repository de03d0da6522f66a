// Lists of buttons that are one stop of the Tab key together. Arrow keys go from one button to the next.
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** What the element around the buttons is given. */
interface OneStop<T extends HTMLElement> {
  readonly ref: RefObject<T | null>;
  readonly onFocusIn: (event: FocusEvent) => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

/** Makes the buttons in an element one stop: the one that had the focus last, else the pressed one, else the first. */
export function useOneStop<T extends HTMLElement>(): OneStop<T> {
  const around = useRef<T>(null);
  const last = useRef<HTMLButtonElement>(null);
  const buttons = (): HTMLButtonElement[] => [...(around.current?.querySelectorAll("button") ?? [])];
  const mark = (): void => {
    const all = buttons();
    const stop = all.find((button) => button === last.current) ?? all.find(isPressed) ?? all[0];
    for (const button of all) button.tabIndex = button === stop ? 0 : -1;
  };
  // The buttons may be others after each drawing.
  useLayoutEffect(mark);
  return {
    ref: around,
    onFocusIn: ({ target }) => {
      if (!(target instanceof HTMLButtonElement)) return;
      last.current = target;
      mark();
    },
    onKeyDown: (event) => {
      const all = buttons();
      const at = all.findIndex((button) => button === document.activeElement);
      const to = {
        ArrowRight: at + 1,
        ArrowDown: at + 1,
        ArrowLeft: at - 1,
        ArrowUp: at - 1,
        Home: 0,
        End: all.length - 1,
      }[event.key];
      if (to === undefined || all.length === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      all[Math.min(all.length - 1, Math.max(0, to))]?.focus();
    },
  };
}

function isPressed(button: HTMLButtonElement): boolean {
  return button.getAttribute("aria-pressed") === "true";
}
