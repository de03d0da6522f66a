// The form that calls a method of a peer, made from its descriptors, and what the method answers.
import { useMemo, useState } from "preact/hooks";
import { MethodKind, type ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { faultText, type NodeApi } from "./api.ts";
import { useLatest } from "./hooks.ts";
import { Fault } from "./panel.tsx";
import { type FormField, fieldsOf, methodsOf, requestOf } from "./request-form.ts";
import { Tail } from "./tail.ts";
import { count, duration, shown, shownLines } from "./text.ts";

/** Characters of an answer, and of each message where there may be many. */
const maxShown = 20_000;
const maxShownOfMany = 2000;
/** Messages of a stream that are shown. */
const maxMessages = 50;
const drawnEveryMs = 250;

interface CallFormProps {
  readonly api: NodeApi;
  readonly peer: string;
  readonly service: ServiceInfo;
  readonly method: string;
}

/** What came of a call so far. */
interface Answer {
  /** The last of them, the newest first. */
  readonly messages: readonly { readonly number: number; readonly item: string }[];
  /** Of all that came. */
  readonly count: number;
  /** Undefined while it goes on. */
  readonly end: "Answered" | "Cancelled" | "Failed" | undefined;
  readonly ms: number;
}

interface Schema {
  readonly fields: readonly FormField[];
  readonly error?: string;
}

/** Asks for the request of a unary or server-streaming method, calls it and shows what it answers. */
export function CallForm({ api, peer, service, method: name }: CallFormProps) {
  const { fields, error: schemaError } = useMemo((): Schema => {
    try {
      const method = methodsOf(service.descriptors, service.name).get(name);
      return method === undefined ? { fields: [] } : { fields: fieldsOf(method) };
    } catch (error) {
      return { fields: [], error: faultText(error) };
    }
  }, [service, name]);
  const isStream = service.methods.some((each) => each.name === name && each.kind === MethodKind.SERVER_STREAMING);
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>({});
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const latest = useLatest();
  const call = async (): Promise<void> => {
    const signal = latest.next();
    setBusy(true);
    setError(undefined);
    setAnswer(undefined);
    const from = performance.now();
    const messages = new Tail<string>(maxMessages);
    const show = (end?: Answer["end"]): void => {
      if (messages.count > 0 || end !== undefined) {
        setAnswer({ messages: messages.newest(), count: messages.count, end, ms: performance.now() - from });
      }
    };
    // However fast they come, the page is drawn at its own pace.
    const timer = setInterval(show, drawnEveryMs);
    const onCancel = (): void => show("Cancelled");
    signal.addEventListener("abort", onCancel);
    try {
      const request = requestOf(fields, typed);
      for await (const text of api.call({ peer, service: service.name, method: name, request, signal })) {
        messages.push(shownLines(text, isStream ? maxShownOfMany : maxShown));
      }
      show("Answered");
    } catch (thrown) {
      if (signal.aborted) return;
      if (messages.count > 0) show("Failed");
      setError(faultText(thrown));
    } finally {
      clearInterval(timer);
      signal.removeEventListener("abort", onCancel);
    }
    setBusy(false);
  };
  const cancel = (): void => {
    latest.stop();
    setBusy(false);
  };
  return (
    <form
      aria-label={`Call ${shown(name, 60)}`}
      onSubmit={(event) => {
        event.preventDefault();
        void call();
      }}
    >
      <Fault text={schemaError} />
      <fieldset>
        <legend>{`${shown(name, 60)} request`}</legend>
        {fields.length === 0 && <p class="muted">It has no fields.</p>}
        {fields.map((field) => (
          <FieldView
            key={field.name}
            field={field}
            value={typed[field.name] ?? ""}
            onType={(value) => setTyped({ ...typed, [field.name]: value })}
          />
        ))}
      </fieldset>
      <div class="row">
        <button type="submit" class="primary" disabled={isBusy}>
          {isBusy ? "Calling …" : "Call"}
        </button>
        {isBusy && (
          <button type="button" onClick={cancel}>
            Cancel
          </button>
        )}
      </div>
      <Fault text={error} />
      {answer !== undefined && <AnswerView answer={answer} isStream={isStream} />}
    </form>
  );
}

interface AnswerViewProps {
  readonly answer: Answer;
  readonly isStream: boolean;
}

function AnswerView({ answer: { messages, count: total, end, ms }, isStream }: AnswerViewProps) {
  const [only] = messages;
  if (!isStream) {
    return (
      <div class="answer">
        <p class="facts" role="status">{`${end ?? "Answered"} within ${duration(ms)}`}</p>
        {only !== undefined && <pre tabIndex={0}>{only.item}</pre>}
      </div>
    );
  }
  const came = `${count(total)} ${total === 1 ? "message" : "messages"}`;
  const left = total > messages.length ? `, the last ${messages.length} are shown` : "";
  return (
    <div class="answer">
      <p class="facts">{end === undefined ? `${came} so far${left}` : `${end} after ${came}${left}`}</p>
      {/* The count would be read out again and again. */}
      <p class="unseen" role="status">
        {end === undefined ? "Messages are coming" : `${end} after ${came}`}
      </p>
      <ol class="messages scroll" aria-label="Messages, the newest first" tabIndex={0}>
        {messages.map(({ number, item }) => (
          <li key={number}>
            <small>{`#${number}`}</small>
            <pre>{item}</pre>
          </li>
        ))}
      </ol>
    </div>
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
