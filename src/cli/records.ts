// `dswarm records`: shows the records that a node keeps and publishes.
import { ListRecordsResponseSchema, type RecordInfo, RecordKind } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { type Column, tableLines } from "./table.ts";
import { counted, duration, printable } from "./text.ts";

/** The flags of `records`. */
export interface RecordsFlags extends AskFlags {
  readonly limit: number;
  readonly after: string;
}

const kinds: Readonly<Partial<Record<RecordKind, string>>> = {
  [RecordKind.IMMUTABLE]: "value",
  [RecordKind.MUTABLE]: "signed",
  [RecordKind.PROVIDER]: "provider",
};
const columns: readonly Column[] = [
  { head: "KEY", cut: "id" },
  { head: "KIND" },
  { head: "BYTES", right: true },
  { head: "KEPT FOR", right: true },
  { head: "PUBLISHED", drop: 1 },
  { head: "STORED BY", cut: "id", drop: 2 },
];

/** Shows the records of a node. Returns the exit code. */
export async function records({ limit, after, ...flags }: RecordsFlags, context: Context): Promise<number> {
  const { stdout } = context;
  await askNode(flags, context, {
    schema: ListRecordsResponseSchema,
    ask: (client, options) => client.listRecords({ limit, after }, options),
    show: ({ records: listed, held, published, heldBytes, next }) => [
      ...(listed.length === 0 ? ["No records."] : tableLines(columns, listed.map(rowOf), stdout)),
      stdout.paint("dim", `${counted(held, "record")} kept (${heldBytes} bytes), ${published} published`),
      ...(next === "" ? [] : [`More: --after '${printable(next)}'`]),
    ],
  });
  return exitCodes.ok;
}

function rowOf({ key, kind, bytes, held, ttlS, published, storedBy }: RecordInfo): string[] {
  return [
    printable(key),
    kinds[kind] ?? "-",
    `${bytes}`,
    held && ttlS !== undefined ? duration(ttlS * 1000) : "-",
    published ? "yes" : "no",
    storedBy === "" ? "-" : printable(storedBy),
  ];
}
