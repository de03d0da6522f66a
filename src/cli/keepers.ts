// `dswarm keepers`: shows which of the nodes closest to a key keep records under it.
import { FindKeepersResponseSchema, type Keeper } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { recordNamed } from "./peer-name.ts";
import { type Column, tableLines } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { counted, duration, printable } from "./text.ts";

const columns: readonly Column[] = [
  { head: "NODE", cut: "id" },
  { head: "BITS", right: true, drop: 2 },
  { head: "RECORDS", right: true },
  { head: "SEQUENCE", right: true, drop: 1 },
  { head: "KEPT FOR", right: true },
  { head: "ADDRESS", cut: "text" },
];

/** Shows the nodes closest to a key, and what each keeps under it. Returns the exit code. */
export async function keepers(key: string, flags: AskFlags, context: Context): Promise<number> {
  const { nodes } = await askNode(flags, context, {
    schema: FindKeepersResponseSchema,
    ask: async (client, options) => client.findKeepers({ key: await recordNamed(key, client) }, options),
    show: (answer) => keeperLines(answer.nodes, context.stdout),
  });
  return nodes.some(isKeeper) ? exitCodes.ok : exitCodes.failure;
}

function keeperLines(nodes: readonly Keeper[], terminal: Pick<Terminal, "columns" | "paint">): string[] {
  if (nodes.length === 0) return ["No node is found."];
  const keep = nodes.filter(isKeeper).length;
  const summary = `${keep} of the ${counted(nodes.length, "closest node")} keep it`;
  return [...tableLines(columns, nodes.map(rowOf), terminal), terminal.paint("dim", summary)];
}

function isKeeper({ records }: Keeper): boolean {
  return records > 0;
}

function rowOf({ id, distanceBits, records, sequence, ttlS, self, addresses }: Keeper): string[] {
  return [
    printable(id),
    `${distanceBits}`,
    `${records}`,
    sequence === 0n ? "-" : `${sequence}`,
    ttlS === undefined ? "-" : duration(ttlS * 1000),
    self ? "the node that answers" : printable(addresses.join(" ")),
  ];
}
