// The form that calls a method of a peer, made from its descriptors, and what the method answers.
import { useMemo, useRef, useState } from "preact/hooks";
import type { ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import { faultText, type NodeApi } from "./api.ts";
import { type Answer, type AnswerMessage, AnswerView } from "./call-answer.tsx";
import { useLatest } from "./hooks.ts";
import { answersMany, takesMany } from "./method-kind.ts";
import { Fault } from "./panel.tsx";
import { RequestFields, type Typed } from "./request-fields.tsx";
import { type FormField, fieldsOf, methodsOf, requestOf } from "./request-form.ts";
import { Tail } from "./tail.ts";
import { shown, shownLines } from "./text.ts";

/** Characters of an answer, and of each message where there may be many. */
const maxShown = 20_000;
const maxShownOfMany = 2000;
/** Messages of a stream that are shown, and those that the form has room for. */
const maxMessages = 50;
const maxRequests = 100;
const drawnEveryMs = 250;

interface CallFormProps {
  readonly api: NodeApi;
  readonly peer: string;
  readonly service: ServiceInfo;
  readonly method: string;
}

interface Schema {
  readonly fields: readonly FormField[];
  readonly error?: string;
}

interface RequestDraft {
  /** Tells it from the others, whatever their places. */
  readonly key: number;
  readonly typed: Typed;
}

/** Asks for the request of a method, or for several where it takes a stream, calls it and shows the answers as they come. */
export function CallForm({ api, peer, service, method: name }: CallFormProps) {
  const { fields, error: schemaError } = useMemo((): Schema => {
    try {
      const method = methodsOf(service.descriptors, service.name).get(name);
      return method === undefined ? { fields: [] } : { fields: fieldsOf(method) };
    } catch (error) {
      return { fields: [], error: faultText(error) };
    }
  }, [service, name]);
  const kind = service.methods.find((method) => method.name === name)?.kind;
  const isStream = { requests: takesMany(kind), answers: answersMany(kind) };
  const [drafts, setDrafts] = useState<readonly RequestDraft[]>([{ key: 0, typed: {} }]);
  const nextKey = useRef(1);
  const callButton = useRef<HTMLButtonElement>(null);
  const cancelButton = useRef<HTMLButtonElement>(null);
  const addButton = useRef<HTMLButtonElement>(null);
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
    const messages = new Tail<AnswerMessage>(maxMessages);
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
      const requests = drafts.map(({ typed }) => requestOf(fields, typed));
      const target = { peer, service: service.name, method: name };
      for await (const text of api.call({ ...target, requests, takesMany: isStream.requests, signal })) {
        messages.push({
          text: shownLines(text, isStream.answers ? maxShownOfMany : maxShown),
          atMs: performance.now() - from,
        });
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
    finish();
  };
  const cancel = (): void => {
    latest.stop();
    finish();
  };
  const finish = (): void => {
    // The button that cancels goes, and the focus would with it.
    if (document.activeElement === cancelButton.current) callButton.current?.focus();
    setBusy(false);
  };
  const type = (key: number, typed: Typed): void =>
    setDrafts((before) => before.map((draft) => (draft.key === key ? { key, typed } : draft)));
  const remove = (key: number): void => {
    setDrafts(drafts.filter((draft) => draft.key !== key));
    addButton.current?.focus();
  };
  const title = `${shown(name, 60)} request`;
  return (
    <form
      aria-label={`Call ${shown(name, 60)}`}
      onSubmit={(event) => {
        event.preventDefault();
        void call();
      }}
    >
      <Fault text={schemaError} />
      {drafts.map(({ key, typed }, i) => (
        <RequestFields
          key={key}
          title={isStream.requests ? `${title} ${i + 1}` : title}
          fields={fields}
          typed={typed}
          onType={(next) => type(key, next)}
          onRemove={isStream.requests ? () => remove(key) : undefined}
        />
      ))}
      {isStream.requests && drafts.length === 0 && (
        <p class="muted">No message: the stream of requests ends at once.</p>
      )}
      <div class="row">
        <Action type="submit" class="primary" isOff={isBusy} buttonRef={callButton}>
          {isBusy ? "Calling …" : "Call"}
        </Action>
        {isBusy && (
          <button ref={cancelButton} type="button" onClick={cancel}>
            Cancel
          </button>
        )}
        {isStream.requests && (
          <Action
            buttonRef={addButton}
            isOff={drafts.length >= maxRequests}
            onClick={() => setDrafts([...drafts, { key: nextKey.current++, typed: {} }])}
          >
            Add a message
          </Action>
        )}
      </div>
      <Fault text={error} />
      {answer !== undefined && <AnswerView answer={answer} isStream={isStream.answers} />}
    </form>
  );
}
