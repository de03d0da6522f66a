// The services of a peer, and a form for each of their methods that is made from their descriptors.
import { useEffect, useState } from "preact/hooks";
import { MethodKind, type ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { faultText, type NodeApi } from "./api.ts";
import { CallForm } from "./call-form.tsx";
import { useLatest } from "./hooks.ts";
import { Empty, Fault, Panel } from "./panel.tsx";
import { shortId, shown } from "./text.ts";

const callable: ReadonlySet<MethodKind> = new Set([MethodKind.UNARY, MethodKind.SERVER_STREAMING]);

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
              disabled={!callable.has(method.kind)}
              title={callable.has(method.kind) ? undefined : "its requests are a stream: not from here"}
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
