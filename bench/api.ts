// What the API costs: how much `/api/ping` to a peer with an open connection adds to the RPC that it makes, and how much measuring
// calls for /metrics adds to a unary call, in memory, without encryption or sockets, where it would show most.
//
// Usage: node bench/api.ts [--rounds N]      (default: 15 rounds, about 15 seconds)
import { once } from "node:events";
import { Agent, get } from "node:https";
import { parseArgs } from "node:util";
import { createClient } from "@connectrpc/connect";
import { EchoService } from "../gen/dswarm/example/v1/echo_pb.ts";
import { createNode, generateKeyPair } from "../src/index.ts";
import { createMemoryLink } from "../src/link/memory-link.ts";
import { CallMeter } from "../src/rpc/call-meter.ts";
import { RpcConnection } from "../src/rpc/mux.ts";
import { resolveRpcOptions } from "../src/rpc/params.ts";
import { ServiceRegistry } from "../src/rpc/serve.ts";
import { createRpcTransport } from "../src/rpc/transport.ts";
import { systemClock as clock } from "../src/util/clock.ts";
import { Counters } from "../src/util/counters.ts";
import { silentLogger } from "../src/util/log.ts";
import { machineLine, machineNotes } from "./lib/machine.ts";
import { median, percentile } from "./lib/statistics.ts";

const { values: options } = parseArgs({ options: { rounds: { type: "string", default: "15" } } });
const rounds = Number(options.rounds);
if (!(rounds >= 1)) throw new RangeError(`--rounds is a number from 1, not ${options.rounds}`);
const callsARound = 10_000;
const atOnce = 50;
const pingsARound = 50;

console.log(machineLine(machineNotes()));
await measureMetering();
await measurePing();

/** Both in turns, so that what else the machine does meets both. */
async function measureMetering(): Promise<void> {
  const plain = echoInMemory(false);
  const metered = echoInMemory(true);
  await run(plain);
  await run(metered);
  const ratios: number[] = [];
  const micros: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const [first, second] = round % 2 === 0 ? [plain, metered] : [metered, plain];
    const a = await run(first);
    const b = await run(second);
    const [without, withMeter] = first === plain ? [a, b] : [b, a];
    ratios.push(withMeter / without);
    micros.push((withMeter * 1000) / callsARound);
  }
  const percent = (median(ratios) - 1) * 100;
  console.log(
    `a metered unary call, both ends, in memory: ${median(micros).toFixed(2)} µs, ${percent.toFixed(1)} % more`,
  );
}

type Echo = () => Promise<unknown>;

function echoInMemory(isMetered: boolean): Echo {
  const { dialer, listener } = createMemoryLink(generateKeyPair().id, generateKeyPair().id);
  const config = resolveRpcOptions();
  const registry = () =>
    new ServiceRegistry({
      clock,
      logger: silentLogger,
      counters: new Counters(),
      ...(isMetered && { meter: new CallMeter() }),
    });
  const acceptor = registry();
  acceptor.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
  const connection = new RpcConnection(dialer, { config, clock, acceptor: registry() });
  const other = new RpcConnection(listener, { config, clock, acceptor });
  if (other.closed) throw new Error("the link is closed");
  const meter = isMetered ? new CallMeter() : undefined;
  const transport = createRpcTransport({ connect: () => connection, clock, meter, authority: "peer" });
  const client = createClient(EchoService, transport);
  const request = { payload: new Uint8Array(16) };
  return () => client.echo(request);
}

/** Milliseconds of a round. */
async function run(echo: Echo): Promise<number> {
  const startedAt = performance.now();
  for (let done = 0; done < callsARound; done += atOnce) await Promise.all(Array.from({ length: atOnce }, echo));
  return performance.now() - startedAt;
}

async function measurePing(): Promise<void> {
  await using peer = await createNode({ discovery: false });
  await using node = await createNode({ discovery: false, api: { requestsPerSecond: 100_000, requestBurst: 100_000 } });
  await node.ping(peer.address);
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  const viaApi = async (): Promise<number> => {
    const startedAt = performance.now();
    const [response] = await once(get(`${node.url}/api/ping`, { agent }), "response");
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    const tookMs = performance.now() - startedAt;
    const { results } = JSON.parse(text);
    if (results?.[0]?.ok !== true) throw new Error(`not a good ping: ${text}`);
    return tookMs;
  };
  const direct = async (): Promise<number> => {
    const startedAt = performance.now();
    await node.ping(peer.id);
    return performance.now() - startedAt;
  };
  const added: number[] = [];
  const alone: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < pingsARound; i++) {
      const rpcMs = await direct();
      const apiMs = await viaApi();
      // The first rounds compile the code.
      if (round < 2 && rounds > 2) continue;
      alone.push(rpcMs);
      added.push(apiMs - rpcMs);
    }
  }
  agent.destroy();
  const p95 = percentile(
    added.toSorted((a, b) => a - b),
    0.95,
  );
  console.log(
    `a ping by RPC: ${median(alone).toFixed(2)} ms; /api/ping adds ${median(added).toFixed(2)} ms (95 %: ${p95.toFixed(2)} ms)`,
  );
}
