// Buttons that cannot always be pressed.
import type { ComponentChildren, Ref } from "preact";

interface ActionProps {
  /** @default "button" */
  readonly type?: "button" | "submit";
  readonly class?: string;
  readonly label?: string;
  readonly title?: string | undefined;
  /** Whether it does nothing now. It keeps the focus all the same, which a disabled button would lose. */
  readonly isOff: boolean;
  /** Of a button that submits, the form does what is to be done. */
  readonly onClick?: () => void;
  readonly children: ComponentChildren;
  readonly buttonRef?: Ref<HTMLButtonElement>;
}

/** A button for what goes on for a while, or comes to an end. */
export function Action({ type = "button", label, isOff, onClick, children, buttonRef, ...others }: ActionProps) {
  return (
    <button
      {...others}
      ref={buttonRef ?? null}
      type={type}
      aria-label={label}
      aria-disabled={isOff}
      onClick={(event) => {
        // Enter in a field of the form presses the button, too.
        if (isOff) event.preventDefault();
        else onClick?.();
      }}
    >
      {children}
    </button>
  );
}
