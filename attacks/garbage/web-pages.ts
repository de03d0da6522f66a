// Requests that a foreign page can make the owner's browser send: foreign origins, rebound names, forms, links.
import { request } from "node:https";
import type { Attack } from "../attack.ts";
import type { Attacker } from "../lib/attacker.ts";

type Headers = Readonly<Record<string, string>>;

const json = { "Content-Type": "application/json" };
const attempts: readonly (readonly [method: string, path: string, headers: Headers])[] = [
  ["POST", "/api/values", { ...json, Origin: "https://evil.example" }],
  ["POST", "/api/values", { ...json, Origin: "null" }],
  ["POST", "/api/values", { ...json, Origin: "https://localhost.evil.example" }],
  ["POST", "/api/values", { ...json, Host: "rebound.example" }],
  ["POST", "/api/values", { ...json, Host: "localhost.evil.example:1" }],
  ["POST", "/api/values", { "Content-Type": "text/plain", Origin: "https://evil.example" }],
  ["POST", "/api/values", { ...json, "Sec-Fetch-Site": "cross-site" }],
  ["POST", "/api/values", { ...json, "Sec-Fetch-Site": "same-site" }],
  ["GET", "/api/ping", { "Sec-Fetch-Site": "cross-site" }],
  ["GET", "/api/status", { Host: "rebound.example" }],
  ["GET", "/api/status", { Origin: "https://evil.example" }],
  ["GET", "/metrics", { Host: "rebound.example" }],
  ["OPTIONS", "/api/values", { Origin: "https://evil.example", "Access-Control-Request-Method": "POST" }],
  ["GET", "/dht", { Origin: "https://evil.example", Upgrade: "websocket", Connection: "Upgrade" }],
];

/** The status, and whether the page would get to read the answer. */
function send(attacker: Attacker, [method, path, headers]: (typeof attempts)[number]): Promise<[number, boolean]> {
  const { promise, resolve, reject } = Promise.withResolvers<[number, boolean]>();
  const { port } = attacker.node;
  const outgoing = request({ host: "127.0.0.1", port, method, path, headers, agent: false, rejectUnauthorized: false });
  outgoing.on("error", reject);
  outgoing.on("upgrade", (_, socket) => {
    socket.destroy();
    resolve([101, true]);
  });
  outgoing.on("response", (incoming) => {
    incoming.resume();
    resolve([incoming.statusCode ?? 0, incoming.headers["access-control-allow-origin"] !== undefined]);
  });
  outgoing.end(method === "POST" ? `{"value":"AAAA"}` : undefined);
  attacker.count(300);
  return promise;
}

export const webPages: Attack = {
  name: "web-pages",
  does: "A page of another origin, or of a name that now points here, sends every kind of request that a browser lets it.",
  promise: "No web page drives a node or reads its answers.",
  spends: { megabytes: 1, connections: 0, seconds: 10 },
  testScale: 1,
  async run(attacker) {
    let [letIn, readable] = [0, 0];
    for (const attempt of attempts) {
      const [status, isReadable] = await send(attacker, attempt);
      if (status < 400) letIn += 1;
      if (isReadable) readable += 1;
    }
    const { records = 0 } = await attacker.ownerJson<{ records?: number }>("/api/status");
    attacker.check("requests let in", letIn, { most: 0 });
    attacker.check("answers readable", readable, { most: 0 });
    attacker.check("records stored", records, { most: 0 });
  },
};
