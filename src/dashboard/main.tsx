// The dashboard: one page over /api, for one node or for all nodes of this machine.
import { render } from "preact";
import { App } from "./app.tsx";

const root = document.getElementById("app");
if (root === null) throw new Error("index.html has no #app");
root.replaceChildren();
render(<App />, root);
