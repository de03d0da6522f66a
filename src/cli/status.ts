// `dswarm status`: shows who a node is and how it is doing.
import { type GetStatusResponse, GetStatusResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { tableLines } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { alignColumns, counted, duration, fitting, printable } from "./text.ts";

/** The flags of `status`. */
export interface StatusFlags extends AskFlags {
  readonly counters?: boolean;
}

/** Shows the status of a node. Returns the exit code. */
export async function status({ counters, ...flags }: StatusFlags, context: Context): Promise<number> {
  await askNode(flags, context, {
    schema: GetStatusResponseSchema,
    ask: (client, options) => client.getStatus({}, options),
    show: (answer) => [
      ...statusLines(answer, context.stdout),
      ...(counters ? counterLines(answer, context.stdout) : []),
    ],
    titled: false,
  });
  return exitCodes.ok;
}

const labelWidth = "certificate  ".length;
const halfDigest = /.{1,32}/gs;

/** What `status` prints. On a narrow terminal the address is without the key, and the certificate's digest takes two lines. */
function statusLines(answer: GetStatusResponse, { columns, paint }: Pick<Terminal, "columns" | "paint">): string[] {
  const room = columns - labelWidth;
  const { id, address, network, port, version, uptimeMs, peers, connections, contacts, records, warnings } = answer;
  const digest = printable(answer.certificateSha256);
  const lines = alignColumns([
    ["id", printable(id)],
    ["address", fitting([printable(address), printable(address.replace(/^.*@/s, ""))], room)],
    ["network", printable(network)],
    ["port", `${port}`],
    ["version", printable(version)],
    ["up", duration(uptimeMs)],
    ["peers", `${counted(peers, "peer")}, ${counted(connections, "connection")}`],
    ["dht", `${counted(contacts, "contact")}, ${counted(records, "record")} kept`],
    ...(digest.length <= room ? [digest] : (digest.match(halfDigest) ?? [])).map((part, i) => [
      i === 0 ? "certificate" : "",
      part,
    ]),
  ]);
  return [...lines, ...warnings.map((warning) => paint("red", `warning: ${printable(warning)}`))];
}

function counterLines({ counters }: GetStatusResponse, terminal: Pick<Terminal, "columns" | "paint">): string[] {
  const rows = Object.entries(counters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => [`${count}`, printable(name)]);
  return [
    "",
    ...tableLines(
      [
        { head: "COUNT", right: true },
        { head: "OF", cut: "text" },
      ],
      rows,
      terminal,
    ),
  ];
}
