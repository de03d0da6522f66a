// `dswarm ping`: asks a running node to ping peers.
import { PingPeersResponseSchema, type PingResult } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { type Column, tableLines } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { printable } from "./text.ts";

/** The flags of `ping`. */
export interface PingFlags extends AskFlags {
  readonly count: number;
  readonly timeout: number;
}

// For the way to the node and back, on top of what each ping may take.
const slackMs = 2000;
const columns: readonly Column[] = [
  { head: "PEER", cut: "id" },
  { head: "ADDRESS", cut: "text" },
  { head: "MS", cut: "text" },
];

/**
 * Lets a node ping peers, and shows how it went. Returns the exit code.
 * @param names the peers, none for the closest ones
 */
export async function ping(
  names: readonly string[],
  { count, timeout, ...flags }: PingFlags,
  context: Context,
): Promise<number> {
  for (const name of names) checkPeerName(name);
  const { results } = await askNode(flags, context, {
    schema: PingPeersResponseSchema,
    async ask(client, options) {
      const ids = await Promise.all(names.map((name) => peerNamed(name, client)));
      return await client.pingPeers({ ids, count, timeoutMs: timeout }, options);
    },
    show: (answer) => pingLines(answer.results, context.stdout),
    timeoutMs: timeout + slackMs,
  });
  return results.length > 0 && results.every(({ ok }) => ok) ? exitCodes.ok : exitCodes.failure;
}

/** The table that `ping` prints. */
export function pingLines(results: readonly PingResult[], terminal: Pick<Terminal, "columns" | "paint">): string[] {
  if (results.length === 0) return ["No peers are known yet."];
  const rows = results.map(({ id, address, ok, rttMs, error }) => {
    const how = ok
      ? { text: (rttMs ?? 0).toFixed(2), style: "green" as const }
      : { text: printable(error?.message ?? "no answer"), style: "red" as const };
    return [printable(id), printable(address === "" ? "-" : address), how];
  });
  return tableLines(columns, rows, terminal);
}
