// Providers in the DHT: find them, and let the node be one.
import { useState } from "preact/hooks";
import type { FindProvidersResponse } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import type { NodeApi } from "./api.ts";
import { useOneStop } from "./one-stop.ts";
import { Copy, Fault, Panel } from "./panel.tsx";
import { useTask } from "./task.ts";
import { counted, keepersText, shortId, shown } from "./text.ts";

interface ProvidersPanelProps {
  readonly api: NodeApi;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

interface Outcome {
  readonly key: string;
  readonly text: string;
}

/** A form for a name or a key, and what came of it. */
export function ProvidersPanel({ api, selected, onSelect }: ProvidersPanelProps) {
  const [text, setText] = useState("");
  const [found, setFound] = useState<FindProvidersResponse>();
  const [outcome, setOutcome] = useState<Outcome>();
  const { isBusy, error, run, stop } = useTask();
  const wanted = text.trim();
  const of = wanted.startsWith("&") ? { key: wanted } : { name: wanted };
  const clear = (): void => {
    setFound(undefined);
    setOutcome(undefined);
  };
  const start = (work: (signal: AbortSignal) => Promise<void>): void => {
    clear();
    void run(work);
  };
  const find = (): void => start(async (signal) => setFound(await api.node.findProviders(of, { signal })));
  const provide = (): void =>
    start(async (signal) => {
      const answer = await api.node.provide(of, { signal });
      setOutcome({ key: answer.key, text: `This node provides it. That is kept by ${keepersText(answer)}` });
    });
  const withdraw = (): void =>
    start(async (signal) => {
      const { key } = await api.node.unprovide(of, { signal });
      setOutcome({ key, text: "This node provides it no more." });
    });
  const isOff = isBusy || wanted === "";
  return (
    <Panel
      name="providers"
      title="Providers"
      lead="Nodes that provide what a name stands for, such as a service by its type name."
    >
      <form
        aria-label="Find providers"
        onSubmit={(event) => {
          event.preventDefault();
          find();
        }}
      >
        <label class="field">
          <span>Name, or key after “&amp;”</span>
          <input
            class="mono"
            required
            spellcheck={false}
            placeholder="package.Service"
            value={text}
            onInput={({ currentTarget }) => {
              stop();
              clear();
              setText(currentTarget.value);
            }}
          />
        </label>
        <div class="row">
          <Action type="submit" class="primary" isOff={isBusy}>
            {isBusy ? "Asking …" : "Find"}
          </Action>
          <Action isOff={isOff} onClick={provide}>
            Provide
          </Action>
          <Action isOff={isOff} onClick={withdraw}>
            Withdraw
          </Action>
        </div>
        <Fault text={error} />
      </form>
      {outcome !== undefined && (
        <div class="answer" role="status">
          <Copy text={outcome.key} label="the key" />
          <p class="facts">{outcome.text}</p>
        </div>
      )}
      {found !== undefined && <ProvidersView found={found} selected={selected} onSelect={onSelect} />}
    </Panel>
  );
}

interface ProvidersViewProps extends Omit<ProvidersPanelProps, "api"> {
  readonly found: FindProvidersResponse;
}

function ProvidersView({ found: { key, providers }, selected, onSelect }: ProvidersViewProps) {
  const oneStop = useOneStop<HTMLUListElement>();
  return (
    <div class="answer">
      <Copy text={key} label="the key" />
      <p class="facts" role="status">
        {counted(providers.length, "provider", "providers")}
      </p>
      <ul {...oneStop} class="found scroll" aria-label="Providers">
        {providers.map(({ id, addresses }) => (
          <li key={id}>
            <button type="button" class="link" aria-pressed={id === selected} onClick={() => onSelect(id)}>
              <span class="unseen">Select provider </span>
              <code>{shortId(id)}</code> <small>{shown(addresses[0] ?? "", 60)}</small>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
