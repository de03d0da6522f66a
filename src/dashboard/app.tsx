// The frame of the page: which node is looked at, and the token where one is needed.
import { useEffect, useMemo, useState } from "preact/hooks";
import { NodeApi, Session } from "./api.ts";
import { Dashboard } from "./dashboard.tsx";
import type { LocalNode } from "./machine.ts";
import { shown } from "./text.ts";

const noNodes: readonly LocalNode[] = [];

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
  const api = useMemo(() => new NodeApi(session, undefined), [session]);
  return (
    <>
      <header class="top">
        <div class="brand">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <h1>dswarm</h1>
        </div>
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
      <Dashboard api={api} machine={noNodes} onChoose={() => undefined} />
    </>
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
          It was started with <code>--token</code> or <code>--token-file</code>. The token stays in this tab and is
          forgotten when the tab is closed.
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
