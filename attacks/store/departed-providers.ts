// Nodes that provided a service and ended, some of them cleanly: the list must not hide the one that lives.
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import type { Attack } from "../attack.ts";
import { acquainted } from "./records.ts";

const closed = 4;
const killed = 5;

export const departedProviders: Attack = {
  name: "departed-providers",
  does: "9 nodes provide a service; 4 close and 5 are killed, then another node calls the service by name.",
  promise: "A node that closes withdraws what it provides, and a caller tries providers until one answers.",
  spends: { megabytes: 1, connections: 1, seconds: 120 },
  nodes: [{}, {}],
  limits: { slowdown: 100, p99FloorMs: 1000, ownerMs: 2000 },
  testScale: 0,
  async run(attacker) {
    const living = await attacker.startNode();
    const caller = await attacker.startNode();
    const stayed = [...attacker.nodes, living.facts, caller.facts];
    await acquainted(attacker, stayed);
    await living.tell("provide");
    const gone: string[] = [];
    for (let i = 0; i < closed + killed; i++) {
      const node = await attacker.startNode();
      await acquainted(attacker, [attacker.node, node.facts]);
      await node.tell("provide");
      if (i < closed) {
        await node.tell("close");
        gone.push(node.facts.id);
      }
      await node.kill();
    }
    const { text } = await attacker.owner(`/api/providers/${RecordKey.ofName(EchoService.typeName).toHex()}`);
    attacker.check("closed ones still listed", gone.filter((id) => text.includes(id)).length, { most: 0 });
    const answer = await caller.tell("callProviders", 60_000);
    attacker.check("call by service answered", answer === "ok" ? 1 : 0, { least: 1 });
  },
};
