// `dswarm health`: asks a peer whether it, or one of its services, can be called.
import { CheckHealthResponseSchema, HealthStatus } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";

const words: Readonly<Record<HealthStatus, string>> = {
  [HealthStatus.UNSPECIFIED]: "unknown",
  [HealthStatus.SERVING]: "serving",
  [HealthStatus.NOT_SERVING]: "not serving",
  [HealthStatus.SERVICE_UNKNOWN]: "serves no such service",
};

/** Shows the health of a peer. Returns the exit code: 1 unless it can be called. */
export async function health(
  name: string,
  service: string | undefined,
  flags: AskFlags,
  context: Context,
): Promise<number> {
  checkPeerName(name);
  const { stdout } = context;
  const { status } = await askNode(flags, context, {
    schema: CheckHealthResponseSchema,
    ask: async (client, options) =>
      client.checkHealth({ id: await peerNamed(name, client), service: service ?? "" }, options),
    show: (answer) => {
      const style = answer.status === HealthStatus.SERVING ? "green" : "red";
      return [`${stdout.paint(style, words[answer.status] ?? "unknown")}  ${answer.elapsedMs} ms`];
    },
  });
  return status === HealthStatus.SERVING ? exitCodes.ok : exitCodes.failure;
}
