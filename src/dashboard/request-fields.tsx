// The fields of one message of a request.
import { BytesField } from "./bytes-field.tsx";
import type { FormField } from "./request-form.ts";
import { shown } from "./text.ts";

/** What was typed, by the name of the field; "true" of boxes that are ticked. */
export type Typed = Readonly<Record<string, string>>;

interface RequestFieldsProps {
  readonly title: string;
  readonly fields: readonly FormField[];
  readonly typed: Typed;
  readonly onType: (typed: Typed) => void;
  /** Takes the message away, where there may be any number. */
  readonly onRemove: (() => void) | undefined;
}

/** A group of inputs, one a field. */
export function RequestFields({ title, fields, typed, onType, onRemove }: RequestFieldsProps) {
  return (
    <fieldset>
      <legend>{title}</legend>
      {fields.length === 0 && <p class="muted">It has no fields.</p>}
      {fields.map((field) => (
        <FieldView
          key={field.name}
          field={field}
          value={typed[field.name] ?? ""}
          onType={(value) => onType({ ...typed, [field.name]: value })}
        />
      ))}
      {onRemove !== undefined && (
        <button type="button" class="quiet remove" aria-label={`Remove ${title}`} onClick={onRemove}>
          Remove
        </button>
      )}
    </fieldset>
  );
}

interface FieldViewProps {
  readonly field: FormField;
  readonly value: string;
  readonly onType: (value: string) => void;
}

function FieldView({ field: { name, type, input }, value, onType }: FieldViewProps) {
  const title = (
    <span>
      <b>{shown(name, 60)}</b> <small>{shown(type, 60)}</small>
    </span>
  );
  if (input.kind === "check") {
    return (
      <label class="check">
        <input
          type="checkbox"
          checked={value === "true"}
          onChange={({ currentTarget }) => onType(currentTarget.checked ? "true" : "")}
        />
        {title}
      </label>
    );
  }
  if (input.kind === "bytes") return <BytesField title={title} value={value} onType={onType} />;
  if (input.kind === "choice") {
    return (
      <label class="field">
        {title}
        <select value={value} onChange={({ currentTarget }) => onType(currentTarget.value)}>
          <option value="">not set</option>
          {input.choices.map((choice) => (
            <option key={choice} value={choice}>
              {shown(choice, 60)}
            </option>
          ))}
        </select>
      </label>
    );
  }
  if (input.kind === "json") {
    return (
      <label class="field">
        {title}
        <textarea
          class="mono"
          rows={2}
          spellcheck={false}
          value={value}
          onInput={({ currentTarget }) => onType(currentTarget.value)}
        />
      </label>
    );
  }
  return (
    <label class="field">
      {title}
      <input
        spellcheck={false}
        inputMode={input.kind === "number" ? "decimal" : "text"}
        value={value}
        onInput={({ currentTarget }) => onType(currentTarget.value)}
      />
    </label>
  );
}
