// `dswarm put`: publishes a value in the DHT.
import { PutValueResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { keepersText } from "./keepers-text.ts";
import { valueGiven } from "./value-argument.ts";

/** The flags of `put`. */
export interface PutFlags extends AskFlags {
  readonly file?: string;
}

/** Lets a node publish a value. Returns the exit code. */
export async function put(text: string | undefined, flags: PutFlags, context: Context): Promise<number> {
  const value = await valueGiven(text, flags.file);
  await askNode(flags, context, {
    schema: PutValueResponseSchema,
    ask: (client, options) => client.putValue({ value }, options),
    show: (answer) => [answer.key, context.stdout.paint("dim", `kept by ${keepersText(answer)}`)],
  });
  return exitCodes.ok;
}
