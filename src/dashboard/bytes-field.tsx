// A field of bytes, typed in base64 as protobuf's JSON has it, or as text.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

interface BytesFieldProps {
  readonly title: ComponentChildren;
  /** Base64, or whatever was typed in its place. */
  readonly value: string;
  readonly onType: (base64: string) => void;
}

/** An input for one of the two forms, and the choice between them. */
export function BytesField({ title, value, onType }: BytesFieldProps) {
  const [isText, setText] = useState(false);
  return (
    <div class="bytes">
      <label class="field">
        {title}
        <input
          spellcheck={false}
          value={isText ? textOf(value) : value}
          onInput={({ currentTarget }) => onType(isText ? base64Of(currentTarget.value) : currentTarget.value)}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={isText}
          onChange={({ currentTarget }) => {
            // What has no form as text is given up, and not sent unseen.
            if (currentTarget.checked && base64Of(textOf(value)) !== value) onType("");
            setText(currentTarget.checked);
          }}
        />
        <span>as text</span>
      </label>
    </div>
  );
}

function base64Of(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

/** Empty where the bytes are no UTF-8. */
function textOf(base64: string): string {
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "";
  }
}
