// `dswarm get`: gets a value from the DHT.
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import { GetValueResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { printable } from "./text.ts";

/** Shows the value under a key: its bytes alone, where the output is no terminal. Returns the exit code. */
export async function get(key: string, flags: AskFlags, context: Context): Promise<number> {
  const { record } = await askNode(
    flags,
    context,
    GetValueResponseSchema,
    (client, options) => client.getValue({ key }, options),
    () => [],
    false,
  );
  if (flags.json !== true) context.stdout.line(textOf(record));
  return exitCodes.ok;
}

/** Text where it is, base64 where it is not. */
function textOf(record: DhtRecord | undefined): string {
  const kind = record?.kind;
  if (kind?.case !== "immutable" && kind?.case !== "mutable") return "";
  const { value } = kind.value;
  try {
    return printable(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch {
    // Not UTF-8.
    return Buffer.from(value).toString("base64");
  }
}
