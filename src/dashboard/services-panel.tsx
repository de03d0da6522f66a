// The services of a peer, and a form for each of their methods that is made from their descriptors.
import { useEffect, useState } from "preact/hooks";
import type { ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { Action } from "./action.tsx";
import { beyondStatus, faultText, type NodeApi } from "./api.ts";
import { CallForm } from "./call-form.tsx";
import { Empty, Panel } from "./panel.tsx";
import { ServiceView } from "./service-view.tsx";
import { shortId } from "./text.ts";

/** So long a peer has to stay selected before it is asked: who walks round the circle passes many. */
const settleMs = 300;

interface ServicesPanelProps {
  readonly api: NodeApi;
  /** The node that is looked at. */
  readonly own: string | undefined;
  /** The peer that is selected. */
  readonly peer: string | undefined;
}

interface Chosen {
  readonly service: string;
  readonly method: string;
}

/** The services of the selected peer, to be called; without one those of the node itself. */
export function ServicesPanel({ api, own, peer }: ServicesPanelProps) {
  const asked = peer ?? own;
  const [services, setServices] = useState<readonly ServiceInfo[]>();
  const [error, setError] = useState<string>();
  const [chosen, setChosen] = useState<Chosen>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    setServices(undefined);
    setError(undefined);
    if (asked === undefined) return undefined;
    const stop = new AbortController();
    const list = async (): Promise<void> => {
      try {
        setServices((await api.node.listServices({ id: asked }, { signal: stop.signal })).services);
      } catch (thrown) {
        if (!stop.signal.aborted) setError(faultText(thrown));
      }
    };
    const timer = setTimeout(() => void list(), settleMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [api, asked, attempt]);
  useEffect(() => setChosen(undefined), [asked]);
  const isAsking = asked !== undefined && services === undefined && error === undefined;
  return (
    <Panel
      name="services"
      title="Services"
      lead={
        peer === undefined
          ? "What this node serves to its peers. Choose a peer in the circle or in the list to call what it serves."
          : "What the selected peer serves, called from here by its own schemas."
      }
      error={peer === undefined ? beyondStatus(error) : error}
      aside={
        asked !== undefined && (
          <>
            <span class="muted">{peer === undefined ? "of this node" : `of ${shortId(peer)}`}</span>
            {peer !== undefined && (
              <Action isOff={isAsking} onClick={() => setAttempt(attempt + 1)}>
                {isAsking ? "Asking …" : "Ask again"}
              </Action>
            )}
          </>
        )
      }
    >
      {services === undefined ? (
        error === undefined && <Empty>It is asked for its services.</Empty>
      ) : peer === undefined ? (
        <div class="service-list scroll" role="region" aria-label="Services of this node" tabIndex={0}>
          {services.map((each) => (
            <ServiceView key={each.name} service={each} />
          ))}
        </div>
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
      <div class="service-list scroll" role="region" aria-label="Services and their methods" tabIndex={0}>
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
