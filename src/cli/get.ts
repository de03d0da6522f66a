// `dswarm get`: gets a value from the DHT.
import { writeFile } from "node:fs/promises";
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import { GetValueResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { printable } from "./text.ts";

/** The flags of `get`. */
export interface GetFlags extends AskFlags {
  readonly out?: string;
}

/** Shows the value under a key, or writes its bytes where they are wanted. Returns the exit code. */
export async function get(key: string, { out, ...flags }: GetFlags, context: Context): Promise<number> {
  const { record } = await askNode(flags, context, {
    schema: GetValueResponseSchema,
    ask: (client, options) => client.getValue({ key }, options),
    show: () => [],
    titled: false,
  });
  const value = valueOf(record);
  if (out === "-" && !flags.json) process.stdout.write(value);
  else if (out !== undefined && out !== "-") await writeFile(out, value);
  else if (!flags.json) context.stdout.line(textOf(value));
  return exitCodes.ok;
}

/** The value of a record, immutable or mutable; none of any other. */
export function valueOf(record: DhtRecord | undefined): Uint8Array {
  const kind = record?.kind;
  return kind?.case === "immutable" || kind?.case === "mutable" ? kind.value.value : new Uint8Array();
}

/** Text where it is, base64 where it is not. */
export function textOf(value: Uint8Array): string {
  try {
    return printable(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch {
    // Not UTF-8.
    return Buffer.from(value).toString("base64");
  }
}
