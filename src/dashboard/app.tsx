// The frame of the page: which node is looked at, and the token where one is needed.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import { NodeApi, Session } from "./api.ts";
import { useChosenNode } from "./chosen-node.ts";
import { Dashboard } from "./dashboard.tsx";
import { usePolled } from "./hooks.ts";
import { pathId } from "./id-space.ts";
import { SwarmPanel } from "./swarm-panel.tsx";
import { shown } from "./text.ts";

const noNodes: readonly SwarmNode[] = [];
const swarmIntervalMs = 10_000;

/** The whole page. */
export function App() {
  const session = useMemo(() => new Session(), []);
  const [isRefused, setRefused] = useState(false);
  // What was refused is asked anew, with the new token, by new panels.
  const [generation, setGeneration] = useState(0);
  useEffect(() => session.onRefused(() => setRefused(true)), [session]);
  if (isRefused) {
    return (
      <TokenForm
        wasWrong={session.token !== undefined}
        onToken={(token) => {
          session.token = token;
          setRefused(false);
          setGeneration(generation + 1);
        }}
      />
    );
  }
  return <NodePage key={generation} session={session} />;
}

function NodePage({ session }: { readonly session: Session }) {
  const home = useMemo(() => new NodeApi(session, undefined), [session]);
  const swarm = usePolled((signal) => home.node.listSwarm({}, { signal }), swarmIntervalMs);
  const nodes = swarm.value?.nodes ?? noNodes;
  const isManaged = swarm.value?.managed === true;
  const { chosen, isGone, choose } = useChosenNode(nodes);
  const own = nodes.find(({ self }) => self)?.id;
  // The node that serves the page is asked without a detour.
  const through = chosen === own ? undefined : chosen;
  const api = useMemo(() => (through === undefined ? home : new NodeApi(session, through)), [home, session, through]);
  return (
    <>
      <header class="top">
        <div class="brand">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <h1>dswarm</h1>
        </div>
        <Links isOpen={session.token === undefined} through={through} />
        {session.token !== undefined && (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              session.token = undefined;
              location.reload();
            }}
          >
            Forget the token
          </button>
        )}
      </header>
      <main>
        {isGone && (
          <p class="fault" role="alert">
            The node that was looked at is not there any more. This is the one that serves the page.
          </p>
        )}
        {(nodes.length > 1 || isManaged) && (
          <SwarmPanel
            home={home}
            isManaged={isManaged}
            swarm={nodes}
            chosen={chosen ?? own}
            onChoose={choose}
            onChanged={swarm.reload}
          />
        )}
        <Dashboard key={through ?? ""} api={api} swarm={nodes} onChoose={choose} onTrouble={swarm.reload} />
      </main>
    </>
  );
}

interface LinksProps {
  /** Whether the node answers without a token, which a link does not carry. */
  readonly isOpen: boolean;
  /** The node that is looked at; undefined for the one that serves the page. */
  readonly through: string | undefined;
}

/** The ways to what else the node serves. */
function Links({ isOpen, through }: LinksProps) {
  return (
    <nav class="links" aria-label="Of this node">
      <a href="/api/docs">API</a>
      {isOpen && <a href="/api/openapi.json">OpenAPI</a>}
      {isOpen && <a href={through === undefined ? "/metrics" : `/api/nodes/${pathId(through)}/metrics`}>Metrics</a>}
    </nav>
  );
}

interface TokenFormProps {
  readonly wasWrong: boolean;
  readonly onToken: (token: string) => void;
}

function TokenForm({ wasWrong, onToken }: TokenFormProps) {
  const [token, setToken] = useState("");
  return (
    <main class="lone">
      <form
        class="panel token"
        onSubmit={(event) => {
          event.preventDefault();
          onToken(token.trim());
        }}
      >
        <h1>This node asks for a token</h1>
        <p>
          It was started with <code>--token-file</code>. The token stays in this tab and is forgotten when the tab is
          closed.
        </p>
        {wasWrong && (
          <p class="fault" role="alert">
            {shown("The node does not take the token that this tab has.")}
          </p>
        )}
        <label class="field">
          <span>Bearer token</span>
          <input
            type="password"
            autocomplete="off"
            required
            autofocus
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary">
          Continue
        </button>
      </form>
    </main>
  );
}
