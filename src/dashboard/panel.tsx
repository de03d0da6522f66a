// The parts that all panels are made of.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { shown } from "./text.ts";

interface PanelProps {
  /** Names the panel within the page: letters and "-". */
  readonly name: string;
  readonly title: string;
  /** What it shows, for those who see it for the first time. */
  readonly lead?: string;
  /** Beside the title: counts, controls. */
  readonly aside?: ComponentChildren;
  readonly error?: string | undefined;
  readonly children: ComponentChildren;
}

/** A titled region. */
export function Panel({ name, title, lead, aside, error, children }: PanelProps) {
  return (
    <section class={`panel ${name}`} aria-labelledby={`title-${name}`}>
      <header>
        <h2 id={`title-${name}`}>{title}</h2>
        <div class="aside">{aside}</div>
        {lead !== undefined && <p class="lead">{lead}</p>}
      </header>
      <Fault text={error} />
      {children}
    </section>
  );
}

/** Why something failed, read out when it comes. */
export function Fault({ text }: { readonly text: string | undefined }) {
  return text === undefined ? null : (
    <p class="fault" role="alert">
      {shown(text, 400)}
    </p>
  );
}

interface CopyProps {
  readonly text: string;
  readonly label: string;
  /** What is shown in place of the text. */
  readonly short?: string;
}

/** A text to be copied. */
export function Copy({ text, label, short }: CopyProps) {
  return (
    <span class="copy">
      <code title={shown(text, 300)}>{shown(short ?? text, 300)}</code>
      <CopyButton text={text} label={label} />
    </span>
  );
}

/** A button that copies a text, exactly as it is. */
export function CopyButton({ text, label }: Pick<CopyProps, "text" | "label">) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Not granted, or the page is not from a secure origin: the text can still be marked by hand.
      setCopied(false);
    }
  };
  return (
    <button
      type="button"
      class="quiet"
      aria-label={`Copy ${label}`}
      onClick={() => void copy()}
      onBlur={() => setCopied(false)}
    >
      {copied ? "copied" : "copy"}
    </button>
  );
}

/** What stands where there is nothing yet. */
export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}
