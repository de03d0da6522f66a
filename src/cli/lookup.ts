// `dswarm lookup`: finds the nodes closest to a key.
import { LookupResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { checkKeyName, keyNamed } from "./peer-name.ts";
import { foundNodeLines } from "./provide.ts";
import { counted } from "./text.ts";

/** Shows the nodes closest to a key or a node. Returns the exit code. */
export async function lookup(key: string, flags: AskFlags, context: Context): Promise<number> {
  const { stdout } = context;
  checkKeyName(key);
  const { closest } = await askNode(flags, context, {
    schema: LookupResponseSchema,
    ask: async (client, options) => client.lookup({ key: await keyNamed(key, client) }, options),
    show: (answer) => {
      const { hops, queries, failures, elapsedMs } = answer;
      const how = `${counted(queries, "query", "queries")}, ${failures} failed, ${counted(hops, "hop")}, ${elapsedMs} ms`;
      return [...foundNodeLines(answer.closest, "node", stdout), stdout.paint("dim", how)];
    },
  });
  return closest.length > 0 ? exitCodes.ok : exitCodes.failure;
}
