// Clients of the gateway that do not read the stream of a peer's answers, which all come on one connection of the node.
import type { Attack } from "../attack.ts";

const readers = 110;
const requests = 10;
const messageBytes = 60_000;

export const slowHttpReaders: Attack = {
  name: "slow-http-readers",
  does: "110 HTTP clients start a peer's stream of 60,000-byte answers by the gateway and do not read.",
  promise: "Other clients of the gateway are answered by the same peer.",
  spends: { megabytes: 20, connections: 130, seconds: 120 },
  nodes: [{}, {}],
  limits: { slowdown: 100, p99FloorMs: 1000, ownerMs: 1000 },
  testScale: 0.5,
  async run(attacker) {
    const [, peer] = attacker.nodes;
    if (peer === undefined) throw new Error("two nodes belong to this attack");
    const id = peer.id.slice(1).replaceAll("+", "-").replaceAll("/", "_").replace(/=$/, "");
    const path = `/api/peers/${id}/dswarm.example.v1.EchoService`;
    const echo = { method: "POST", body: { payload: "AAAA" } };
    const found = await attacker.until(async () => (await attacker.owner(`${path}/Echo`, echo)).status === 200, 10_000);
    if (!found) throw new Error("the nodes do not find each other");
    const body = JSON.stringify({ payload: Buffer.alloc(messageBytes).toString("base64"), count: 1000 });
    const head = `POST ${path}/Repeat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
    for (let i = 0; i < attacker.scaled(readers); i++) {
      const socket = await attacker.tls();
      socket.pause();
      socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    }
    await attacker.pause(attacker.scaledMs(3000));
    let answered = 0;
    const count = attacker.scaled(requests);
    for (let i = 0; i < count && !attacker.isOver; i++) {
      const large = { method: "POST", body: { payload: Buffer.alloc(100_000).toString("base64") } };
      const answer = await attacker.owner(`${path}/Echo`, { ...large, ms: 31_000 }).catch(() => undefined);
      if (answer?.status === 200) answered += 1;
      else break;
    }
    attacker.check("other clients answered", answered, { least: count });
  },
};
