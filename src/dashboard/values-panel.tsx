// Values of the DHT: put them, get them, watch them.
import { useState } from "preact/hooks";
import type { NodeApi } from "./api.ts";
import { GetForm } from "./get-form.tsx";
import { Panel } from "./panel.tsx";
import { PutForm } from "./put-form.tsx";

interface ValuesPanelProps {
  readonly api: NodeApi;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

/** Two forms side by side. */
export function ValuesPanel({ api, selected, onSelect }: ValuesPanelProps) {
  const [key, setKey] = useState("");
  return (
    <Panel name="values" title="Values" lead="Kept by the nodes whose ids are closest to the key, for a day.">
      <div class="pair">
        <PutForm api={api} onPut={setKey} />
        <GetForm api={api} wanted={key} onWanted={setKey} selected={selected} onSelect={onSelect} />
      </div>
    </Panel>
  );
}
