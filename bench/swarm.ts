// How fast a swarm comes together, and how fast its pings are: nodes in one process, and each in a process of its own, on
// loopback multicast.
//
// Usage: node bench/swarm.ts [--nodes N] [--rounds N] [--quick] [--json FILE] [--write-docs]
//                                                                     (default: 10 nodes, 5 rounds, about 2 minutes)
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Agent, get } from "node:https";
import { parseArgs } from "node:util";
import { writeDocs } from "./lib/docs.ts";
import { machineLine, machineNotes } from "./lib/machine.ts";
import { median, percentile } from "./lib/statistics.ts";
import { SwarmMember } from "./lib/swarm-member.ts";
import { short, table } from "./lib/tables.ts";

const warmPings = 40;
const firstUdpPort = 30_000;
const udpPorts = 20_000;

const { values: options } = parseArgs({
  options: {
    nodes: { type: "string", default: "10" },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    "write-docs": { type: "boolean", default: false },
  },
});
const nodes = Number(options.nodes);
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
const pings = options.quick ? 50 : 400;
if (!(nodes >= 2 && rounds >= 1)) throw new RangeError("--nodes is a number from 2, --rounds one from 1");

interface Round {
  readonly kind: string;
  /** From the launch of the processes, and from when the last node listened, until every node knows all others. */
  readonly fromLaunchMs: number;
  readonly fromListeningMs: number;
  /** GET /api/ping (which pings the three closest peers) on a kept connection, the nodes in turn, and on a new one each. */
  readonly pingP50Ms: number;
  readonly pingP99Ms: number;
  readonly freshPingP50Ms: number;
  readonly freshPingP99Ms: number;
}

const machine = machineNotes();
const kinds = [
  { kind: `${nodes} nodes in one process`, processes: 1 },
  { kind: `${nodes} processes`, processes: nodes },
];
const results: Round[] = [];
for (let round = 1; round <= rounds; round++) {
  for (const { kind, processes } of kinds) {
    const result = await measure(kind, processes);
    results.push(result);
    process.stderr.write(`round ${round}/${rounds}  ${JSON.stringify(result)}\n`);
  }
}

const column = (head: string, figure: Exclude<keyof Round, "kind">) => ({
  head,
  cell: ({ kind }: { kind: string }) =>
    short(median(results.filter((result) => result.kind === kind).map((result) => result[figure]))),
});
const summary = [
  `Measured ${machineLine(machine)}; ${rounds === 1 ? "one round" : `medians of ${rounds} rounds`} of ${pings} pings.`,
  table(kinds, [
    { head: "swarm", cell: ({ kind }) => kind },
    column("all know all, ms from launch", "fromLaunchMs"),
    column("ms from the last to listen", "fromListeningMs"),
    column("GET /api/ping p50 ms", "pingP50Ms"),
    column("p99 ms", "pingP99Ms"),
    column("on a new connection p50 ms", "freshPingP50Ms"),
    column("p99 ms ", "freshPingP99Ms"),
  ]),
  "A ping of the API pings the three closest peers, on connections that are open, and answers when all have answered.",
].join("\n\n");
process.stdout.write(`\n${summary}\n`);
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ machine, nodes, pings, results }, undefined, 2)}\n`);
}
if (options["write-docs"]) writeDocs("swarm", summary);

async function measure(kind: string, processes: number): Promise<Round> {
  // A port of its own for each swarm: it hears no other nodes of the machine.
  const udpPort = firstUdpPort + Math.floor(Math.random() * udpPorts);
  const launchedAt = performance.now();
  const members = Array.from({ length: processes }, () => new SwarmMember(nodes / processes, nodes, udpPort));
  try {
    const urls = (await Promise.all(members.map(({ listening }) => listening))).flat();
    const listeningAt = performance.now();
    await Promise.all(members.map(({ complete }) => complete));
    const completeAt = performance.now();
    await pingAll(urls, warmPings, true);
    const kept = await pingAll(urls, pings, true);
    const fresh = await pingAll(urls, pings / 4, false);
    return {
      kind,
      fromLaunchMs: completeAt - launchedAt,
      fromListeningMs: completeAt - listeningAt,
      pingP50Ms: percentile(kept, 0.5),
      pingP99Ms: percentile(kept, 0.99),
      freshPingP50Ms: percentile(fresh, 0.5),
      freshPingP99Ms: percentile(fresh, 0.99),
    };
  } finally {
    await Promise.all(members.map((member) => member.end()));
  }
}

/** One GET /api/ping after the other, the nodes in turn. Returns the times in milliseconds, ascending. */
async function pingAll(urls: readonly string[], count: number, keepAlive: boolean): Promise<Float64Array> {
  // The certificates are the nodes' own, which nobody else vouches for. Without keepAlive sessions are not resumed either.
  const agent = new Agent({ keepAlive, rejectUnauthorized: false, maxCachedSessions: 0 });
  const times = new Float64Array(Math.ceil(count));
  for (let i = 0; i < times.length; i++) {
    const startedAt = performance.now();
    await ping(urls[i % urls.length] ?? "", agent);
    times[i] = performance.now() - startedAt;
  }
  agent.destroy();
  return times.sort();
}

async function ping(url: string, agent: Agent): Promise<void> {
  const [response] = await once(get(`${url}/api/ping`, { agent }), "response");
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) body += chunk;
  if (response.statusCode !== 200) throw new Error(`ping: ${response.statusCode} ${body}`);
  const { results: pongs } = JSON.parse(body) as { results: { ok: boolean }[] };
  if (pongs.length === 0 || pongs.some(({ ok }) => !ok)) throw new Error(`a ping was not answered: ${body}`);
}
