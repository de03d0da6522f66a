// The services of a peer and their methods, from its descriptors by reflection.
import { useEffect, useState } from "preact/hooks";
import { MethodKind, type ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { faultText, type NodeApi } from "./api.ts";
import { useLatest } from "./hooks.ts";
import { Empty, Fault, Panel } from "./panel.tsx";
import { shortId, shown } from "./text.ts";

interface ServicesPanelProps {
  readonly api: NodeApi;
  /** The peer that is selected; without one the node itself. */
  readonly peer: string | undefined;
}

/** The services of the selected peer. */
export function ServicesPanel({ api, peer }: ServicesPanelProps) {
  const [services, setServices] = useState<readonly ServiceInfo[]>();
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const latest = useLatest();
  // What was shown is of the peer before.
  useEffect(() => {
    latest.stop();
    setServices(undefined);
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
            ? "Choose a node: it can be asked for its services."
            : "The peer is asked for its services by reflection."}
        </Empty>
      ) : (
        <div class="service-list columns scroll" role="region" aria-label="Services and their methods" tabIndex={0}>
          {services.map((each) => (
            <ServiceView key={each.name} service={each} />
          ))}
        </div>
      )}
    </Panel>
  );
}

const kinds: Readonly<Record<MethodKind, string>> = {
  [MethodKind.UNSPECIFIED]: "",
  [MethodKind.UNARY]: "",
  [MethodKind.CLIENT_STREAMING]: "client stream",
  [MethodKind.SERVER_STREAMING]: "server stream",
  [MethodKind.BIDI_STREAMING]: "streams both ways",
};

function ServiceView({ service: { name, methods, error } }: { readonly service: ServiceInfo }) {
  return (
    <div class="service">
      <h3>
        <code>{shown(name)}</code>
      </h3>
      <Fault text={error?.message} />
      <ul class="facts">
        {methods.map((method) => (
          <li key={method.name}>
            <strong>{shown(method.name, 60)}</strong> {kinds[method.kind] ?? ""}
            <br />
            <code>{`${shown(method.input)} → ${shown(method.output)}`}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}
