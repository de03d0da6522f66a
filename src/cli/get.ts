// `dswarm get`: gets a value from the DHT.
import { GetValueResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { checkRecordName, recordNamed } from "./peer-name.ts";
import { valueOf, writeValue } from "./value-output.ts";

/** The flags of `get`. */
export interface GetFlags extends AskFlags {
  readonly out?: string;
}

/** Shows the value under a key, or writes its bytes where they are wanted. Returns the exit code. */
export async function get(key: string, { out, ...flags }: GetFlags, context: Context): Promise<number> {
  checkRecordName(key);
  const { record } = await askNode(flags, context, {
    schema: GetValueResponseSchema,
    ask: async (client, options) => client.getValue({ key: await recordNamed(key, client) }, options),
    show: () => [],
    titled: false,
  });
  if (!flags.json || (out !== undefined && out !== "-")) await writeValue(valueOf(record), out, context);
  return exitCodes.ok;
}
