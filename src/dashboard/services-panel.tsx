// The services of a peer, and a form for each of their methods that is made from their descriptors.
import { useEffect, useMemo, useState } from "preact/hooks";
import { MethodKind, type ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { faultText, type NodeApi } from "./api.ts";
import { useLatest } from "./hooks.ts";
import { Empty, Fault, Panel } from "./panel.tsx";
import { type FormField, fieldsOf, methodsOf, requestOf } from "./request-form.ts";
import { duration, shortId, shown, shownLines } from "./text.ts";

const maxShown = 20_000;

interface ServicesPanelProps {
  readonly api: NodeApi;
  /** The peer that is selected; without one the node itself. */
  readonly peer: string | undefined;
}

/** The services of the selected peer. */
export function ServicesPanel({ api, peer }: ServicesPanelProps) {
  const [services, setServices] = useState<readonly ServiceInfo[]>();
  const [error, setError] = useState<string>();
  const [chosen, setChosen] = useState<{ readonly service: string; readonly method: string }>();
  const [isBusy, setBusy] = useState(false);
  const latest = useLatest();
  // What was shown is of the peer before.
  useEffect(() => {
    latest.stop();
    setServices(undefined);
    setChosen(undefined);
    setError(undefined);
    setBusy(false);
  }, [peer]);
  const list = async (id: string): Promise<void> => {
    const signal = latest.next();
    setBusy(true);
    setError(undefined);
    try {
      setServices((await api.node.listServices({ id }, { signal })).services);
    } catch (thrown) {
      if (!signal.aborted) setError(faultText(thrown));
    }
    if (!signal.aborted) setBusy(false);
  };
  const service = services?.find(({ name }) => name === chosen?.service);
  return (
    <Panel
      name="services"
      title="Services"
      error={error}
      aside={
        <>
          {peer !== undefined && <span class="muted">{`of ${shortId(peer)}`}</span>}
          <button
            type="button"
            disabled={peer === undefined || isBusy}
            onClick={() => peer !== undefined && void list(peer)}
          >
            {isBusy ? "Asking …" : "List services"}
          </button>
        </>
      }
    >
      {services === undefined || peer === undefined ? (
        <Empty>
          {peer === undefined
            ? "Choose a node: it can be asked for its services, and they can be called from here."
            : "The peer is asked for its services by reflection."}
        </Empty>
      ) : (
        <div class="columns">
          <div class="service-list scroll" role="region" aria-label="Services and their methods" tabIndex={0}>
            {services.map((each) => (
              <ServiceView
                key={each.name}
                service={each}
                chosen={chosen?.service === each.name ? chosen.method : undefined}
                onChoose={(method) => setChosen({ service: each.name, method })}
              />
            ))}
          </div>
          {service !== undefined && chosen !== undefined ? (
            <CallForm
              key={`${peer} ${service.name} ${chosen.method}`}
              {...{ api, peer, service }}
              method={chosen.method}
            />
          ) : (
            <Empty>Choose a method to call.</Empty>
          )}
        </div>
      )}
    </Panel>
  );
}

interface ServiceViewProps {
  readonly service: ServiceInfo;
  readonly chosen: string | undefined;
  readonly onChoose: (method: string) => void;
}

function ServiceView({ service: { name, methods, error }, chosen, onChoose }: ServiceViewProps) {
  return (
    <div class="service">
      <h3>
        <code>{shown(name)}</code>
      </h3>
      <Fault text={error?.message} />
      <ul class="methods">
        {methods.map((method) => (
          <li key={method.name}>
            <button
              type="button"
              aria-pressed={method.name === chosen}
              disabled={method.kind !== MethodKind.UNARY}
              title={method.kind === MethodKind.UNARY ? undefined : "a stream: not from here"}
              onClick={() => onChoose(method.name)}
            >
              {shown(method.name, 60)}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

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

function CallForm({ api, peer, service, method: name }: CallFormProps) {
  const { fields, error: schemaError } = useMemo((): Schema => {
    try {
      const method = methodsOf(service.descriptors, service.name).get(name);
      return method === undefined ? { fields: [] } : { fields: fieldsOf(method) };
    } catch (error) {
      return { fields: [], error: faultText(error) };
    }
  }, [service, name]);
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>({});
  const [answer, setAnswer] = useState<{ readonly text: string; readonly ms: number }>();
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const latest = useLatest();
  const call = async (): Promise<void> => {
    const signal = latest.next();
    setBusy(true);
    setError(undefined);
    const from = performance.now();
    try {
      const text = await api.call({
        peer,
        service: service.name,
        method: name,
        request: requestOf(fields, typed),
        signal,
      });
      setAnswer({ text, ms: performance.now() - from });
    } catch (thrown) {
      if (signal.aborted) return;
      setAnswer(undefined);
      setError(faultText(thrown));
    }
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
      <button type="submit" class="primary" disabled={isBusy}>
        {isBusy ? "Calling …" : "Call"}
      </button>
      <Fault text={error} />
      {answer !== undefined && (
        <div class="answer" role="status">
          <p class="facts">{`Answered within ${duration(answer.ms)}`}</p>
          <pre tabIndex={0}>{shownLines(answer.text, maxShown)}</pre>
        </div>
      )}
    </form>
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
      {shown(name, 60)} <small>{shown(type, 60)}</small>
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
