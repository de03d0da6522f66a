// Who the node is and how it is doing.
import { useEffect, useState } from "preact/hooks";
import type { GetStatusResponse } from "../../gen/dswarm/v1/node_pb.ts";
import { Copy, Fault } from "./panel.tsx";
import { count, duration, shown } from "./text.ts";

interface StatusPanelProps {
  readonly status: GetStatusResponse | undefined;
  readonly error: string | undefined;
}

const pillClasses = { live: "is-good", connecting: "", "no answer": "is-bad" } as const;

/** The strip at the top. */
export function StatusPanel({ status, error }: StatusPanelProps) {
  const state = error === undefined ? (status === undefined ? "connecting" : "live") : "no answer";
  return (
    <section class="panel status" aria-labelledby="title-status">
      <header>
        <h2 id="title-status">
          Node <span class={`pill ${pillClasses[state]}`}>{state}</span>
        </h2>
      </header>
      <Fault text={error} />
      {status !== undefined && (
        <>
          <dl class="identity">
            <div>
              <dt>Id</dt>
              <dd>
                <Copy text={status.id} label="the id" />
              </dd>
            </div>
            <div>
              <dt>Address</dt>
              <dd>
                <Copy text={status.address} label="the address" />
              </dd>
            </div>
            <div>
              <dt>Certificate, sha256</dt>
              <dd>
                <Copy text={status.certificateSha256} label="the certificate's sha256" />
              </dd>
            </div>
          </dl>
          <dl class="figures">
            <Figure name="Network" value={shown(status.network, 40)} />
            <Figure name="Version" value={shown(status.version, 20)} />
            <Uptime status={status} isLive={state === "live"} />
            <Figure name="Peers" value={count(status.peers)} />
            <Figure name="Connections" value={count(status.connections)} />
            <Figure name="Contacts" value={count(status.contacts)} />
            <Figure name="Records" value={count(status.records)} />
          </dl>
        </>
      )}
    </section>
  );
}

function Figure({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

interface UptimeProps {
  readonly status: GetStatusResponse;
  /** Whether time goes on. */
  readonly isLive: boolean;
}

function Uptime({ status, isLive }: UptimeProps) {
  const [passedMs, setPassed] = useState(0);
  useEffect(() => {
    if (!isLive) return undefined;
    const from = performance.now();
    setPassed(0);
    const timer = setInterval(() => setPassed(performance.now() - from), 1000);
    return () => clearInterval(timer);
  }, [status, isLive]);
  return <Figure name="Uptime" value={duration(status.uptimeMs + passedMs)} />;
}
