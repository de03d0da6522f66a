// `dswarm buckets`: shows the routing table of a node.
import { type Bucket, ListBucketsResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { alignColumns, counted, printable, seconds } from "./text.ts";

/** Shows the routing table of a node. Returns the exit code. */
export async function buckets(flags: AskFlags, context: Context): Promise<number> {
  await askNode(
    flags,
    context,
    ListBucketsResponseSchema,
    (client, options) => client.listBuckets({}, options),
    (answer) => bucketLines(answer.buckets),
  );
  return exitCodes.ok;
}

/** The table that `buckets` prints. */
function bucketLines(list: readonly Bucket[]): string[] {
  if (list.length === 0) return ["The routing table is empty."];
  const rows = list.flatMap(({ sharedBits, contacts }) =>
    contacts.map(({ id, addresses, lastSeenMs, misses, rttMs }) => [
      `${sharedBits}`,
      printable(id),
      printable(addresses[0] ?? "-"),
      rttMs === undefined ? "-" : rttMs.toFixed(2),
      `${seconds(lastSeenMs)} ago`,
      `${misses}`,
    ]),
  );
  const head = ["SHARED BITS", "CONTACT", "ADDRESS", "RTT MS", "SEEN", "MISSES"];
  return [...alignColumns([head, ...rows]), `${counted(rows.length, "contact")} in ${counted(list.length, "bucket")}`];
}
