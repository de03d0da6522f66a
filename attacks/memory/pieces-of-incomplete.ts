// Messages in pieces that say that more follows, on every stream that there may be, as far as credit goes.

import { protocol } from "../../src/rpc/params.ts";
import type { Attack } from "../attack.ts";
import type { AttackLink } from "../lib/attack-link.ts";
import type { Attacker } from "../lib/attacker.ts";
import { hoardInline } from "./inline-opens.ts";

const connections = 4;
const streams = 1024;
const pieceBytes = 60_000;

/** Sends pieces by turns on streams that are open, for as long as the node gives credit. Opens none itself. */
export async function sendPieces(attacker: Attacker, link: AttackLink, count: number): Promise<void> {
  const piece = new Uint8Array(pieceBytes);
  const cost = pieceBytes + protocol.dataFrameCost;
  const spent = new Map<number, number>();
  const given = new Map<number, number>();
  link.read(({ streamId, body }) => {
    if (body.case === "credit") given.set(streamId, (given.get(streamId) ?? 0) + body.value.bytes);
  });
  let used = 0;
  while (!attacker.isOver && !link.isClosed) {
    let sent = 0;
    for (let i = 0; i < count && link.credit - used >= cost; i++) {
      const id = 2 * i + 1;
      const left = protocol.initialStreamCredit + (given.get(id) ?? 0) - (spent.get(id) ?? 0);
      if (left < cost) continue;
      spent.set(id, (spent.get(id) ?? 0) + cost);
      used += cost;
      sent += 1;
      link.encoder.data(id, piece, true);
      if (!(await link.flush())) return;
    }
    if (sent === 0) await attacker.pause(50);
  }
}

export const piecesOfIncomplete: Attack = {
  name: "pieces-of-incomplete",
  does: "4 connections add pieces with `more` to 1,024 such calls each, as far as credit goes.",
  promise: "Bytes of incomplete messages count, and requests that stay incomplete have a deadline.",
  spends: { megabytes: 1200, connections: 4, seconds: 15 },
  limits: { stallMs: 1000, slowdown: 30, p99FloorMs: 250, ownerMs: 1000 },
  async run(attacker) {
    const links = await attacker.dialAll(connections);
    await Promise.all(
      links.map(async (link) => {
        const count = attacker.scaled(streams);
        await hoardInline(attacker, link, count);
        await sendPieces(attacker, link, count);
      }),
    );
  },
};
