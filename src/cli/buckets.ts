// `dswarm buckets`: shows the routing table of a node.
import { type Bucket, ListBucketsResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { type Column, tableLines } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { counted, duration, printable } from "./text.ts";

const columns: readonly Column[] = [
  { head: "BITS", right: true },
  { head: "CONTACT", cut: "id" },
  { head: "ADDRESS", cut: "text" },
  { head: "RTT MS", right: true },
  { head: "SEEN", right: true, drop: 2 },
  { head: "MISSES", right: true, drop: 1 },
];

/** Shows the routing table of a node. Returns the exit code. */
export async function buckets(flags: AskFlags, context: Context): Promise<number> {
  await askNode(flags, context, {
    schema: ListBucketsResponseSchema,
    ask: (client, options) => client.listBuckets({}, options),
    show: (answer) => bucketLines(answer.buckets, context.stdout),
  });
  return exitCodes.ok;
}

/** The table that `buckets` prints. */
function bucketLines(list: readonly Bucket[], terminal: Pick<Terminal, "columns" | "paint">): string[] {
  if (list.length === 0) return ["The routing table is empty."];
  const rows = list.flatMap(({ sharedBits, contacts }) =>
    contacts.map(({ id, addresses, lastSeenMs, misses, rttMs }) => [
      `${sharedBits}`,
      printable(id),
      printable(addresses[0] ?? "-"),
      rttMs === undefined ? "-" : rttMs.toFixed(2),
      `${duration(lastSeenMs)} ago`,
      misses === 0 ? "-" : { text: `${misses}`, style: "yellow" as const },
    ]),
  );
  const count = `${counted(rows.length, "contact")} in ${counted(list.length, "bucket")}`;
  return [...tableLines(columns, rows, terminal), terminal.paint("dim", count)];
}
