// The services of a peer, and a form for each of their methods that is made from their descriptors.
import { useEffect, useState } from "preact/hooks";
import { MethodKind, type ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import { faultText, type NodeApi } from "./api.ts";
import { CallForm } from "./call-form.tsx";
import { Empty, Fault, Panel } from "./panel.tsx";
import { shortId, shown } from "./text.ts";

/** So long a peer has to stay selected before it is asked: who walks round the circle passes many. */
const settleMs = 300;

interface ServicesPanelProps {
  readonly api: NodeApi;
  /** The peer that is selected. */
  readonly peer: string | undefined;
}

interface Chosen {
  readonly service: string;
  readonly method: string;
}

/** The services of the selected peer. */
export function ServicesPanel({ api, peer }: ServicesPanelProps) {
  const [services, setServices] = useState<readonly ServiceInfo[]>();
  const [error, setError] = useState<string>();
  const [chosen, setChosen] = useState<Chosen>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    setServices(undefined);
    setError(undefined);
    if (peer === undefined) return undefined;
    const stop = new AbortController();
    const list = async (): Promise<void> => {
      try {
        setServices((await api.node.listServices({ id: peer }, { signal: stop.signal })).services);
      } catch (thrown) {
        if (!stop.signal.aborted) setError(faultText(thrown));
      }
    };
    const timer = setTimeout(() => void list(), settleMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [api, peer, attempt]);
  useEffect(() => setChosen(undefined), [peer]);
  const isAsking = peer !== undefined && services === undefined && error === undefined;
  return (
    <Panel
      name="services"
      title="Services"
      lead="What the selected peer serves, called from here by its own schemas."
      error={error}
      aside={
        peer !== undefined && (
          <>
            <span class="muted">{`of ${shortId(peer)}`}</span>
            <Action isOff={isAsking} onClick={() => setAttempt(attempt + 1)}>
              {isAsking ? "Asking …" : "Ask again"}
            </Action>
          </>
        )
      }
    >
      {services === undefined || peer === undefined ? (
        error === undefined && (
          <Empty>
            {peer === undefined
              ? "Choose a peer in the circle or in the list: it is asked for its services."
              : "The peer is asked for its services."}
          </Empty>
        )
      ) : (
        <ServicesView api={api} peer={peer} services={services} chosen={chosen} onChoose={setChosen} />
      )}
    </Panel>
  );
}

interface ServicesViewProps {
  readonly api: NodeApi;
  readonly peer: string;
  readonly services: readonly ServiceInfo[];
  readonly chosen: Chosen | undefined;
  readonly onChoose: (chosen: Chosen) => void;
}

function ServicesView({ api, peer, services, chosen, onChoose }: ServicesViewProps) {
  if (services.length === 0) return <Empty>The peer serves nothing that it tells of.</Empty>;
  const service = services.find(({ name }) => name === chosen?.service);
  return (
    <div class="call">
      <div class="service-list" role="group" aria-label="Services and their methods">
        {services.map((each) => (
          <ServiceView
            key={each.name}
            service={each}
            chosen={chosen?.service === each.name ? chosen.method : undefined}
            onChoose={(method) => onChoose({ service: each.name, method })}
          />
        ))}
      </div>
      {service !== undefined && chosen !== undefined && (
        <CallForm key={`${peer} ${service.name} ${chosen.method}`} {...{ api, peer, service }} method={chosen.method} />
      )}
    </div>
  );
}

const kindTexts: Readonly<Record<MethodKind, string | undefined>> = {
  [MethodKind.UNSPECIFIED]: undefined,
  [MethodKind.UNARY]: undefined,
  [MethodKind.CLIENT_STREAMING]: "many requests, one answer",
  [MethodKind.SERVER_STREAMING]: "one request, many answers",
  [MethodKind.BIDI_STREAMING]: "many requests, many answers",
};

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
              title={kindTexts[method.kind]}
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
