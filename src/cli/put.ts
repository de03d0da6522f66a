// `dswarm put`: publishes a value in the DHT.
import { PutValueResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { keepersText } from "./keepers-text.ts";
import { valueOf } from "./value-argument.ts";

/** Lets a node publish a value. Returns the exit code. */
export async function put(text: string, flags: AskFlags, context: Context): Promise<number> {
  const value = await valueOf(text);
  await askNode(flags, context, {
    schema: PutValueResponseSchema,
    ask: (client, options) => client.putValue({ value }, options),
    show: (answer) => [answer.key, context.stdout.paint("dim", `kept by ${keepersText(answer)}`)],
  });
  return exitCodes.ok;
}
