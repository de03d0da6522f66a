// `dswarm add` and `dswarm stop`: start and stop nodes of a swarm that runs.
import { toJsonString } from "@bufbuild/protobuf";
import { AddSwarmNodeResponseSchema, StopSwarmNodeResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { callNode, type NodeClient } from "./api-client.ts";
import { type AskFlags, askNode, titleOf, withNode } from "./ask-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { findNode, type NodeTarget } from "./find-node.ts";
import { type AccessFlags, accessOf } from "./node-access.ts";
import { RuntimeFiles } from "./runtime-files.ts";
import { counted, printable } from "./text.ts";

// A process is started, or one ends when it has given away what it keeps.
const timeoutMs = 60_000;

/** Starts one more node in the swarm of a node. Returns the exit code. */
export async function addSwarmNode(flags: AskFlags, context: Context): Promise<number> {
  const { stdout } = context;
  await askNode(flags, context, {
    schema: AddSwarmNodeResponseSchema,
    ask: (client, options) => client.addSwarmNode({}, options),
    show: ({ node: { id = "", port = 0, index = 0, pid = 0 } = {} }) => [
      printable(id),
      stdout.paint("dim", `on port ${port}, number ${index} of its swarm, in process ${pid}`),
    ],
    timeoutMs,
  });
  return exitCodes.ok;
}

/**
 * Stops a node of a swarm. Returns the exit code.
 * @param node as of `--node`
 */
export async function stopSwarmNode(node: string, flags: Omit<AskFlags, "node">, context: Context): Promise<number> {
  const { stdout } = context;
  const { asked, named, self, others } = await withNode({ ...flags, node }, context, swarmAround, "");
  // A node stops others and not itself, so one of them is asked.
  const target = asked === undefined ? named : at(asked.port, named, flags, context);
  const answer = await callNode(target, (client) => client.stopSwarmNode({ id: self.id }, { timeoutMs }));
  if (flags.json) {
    stdout.line(toJsonString(StopSwarmNodeResponseSchema, answer, { alwaysEmitImplicit: true }));
  } else {
    stdout.line(titleOf(named, context));
    stdout.line(`stopped; ${counted(others, "node")} of its swarm ${others === 1 ? "goes" : "go"} on`);
  }
  return exitCodes.ok;
}

/** A node of a swarm, and another one that can stop it; undefined for a node that was started alone, which says so. */
async function swarmAround(client: NodeClient, named: NodeTarget) {
  const { nodes, managed } = await client.listSwarm({}, { timeoutMs });
  const self = nodes.find((each) => each.self);
  const asked = nodes.find((each) => !each.self);
  if (self === undefined) throw new CliError("what answers there is no node of this version of dswarm");
  if (managed && asked === undefined) {
    throw new CliError("it is the last node of its swarm; Ctrl-C or SIGTERM ends that");
  }
  return { asked, named, self, others: nodes.length - 1 };
}

/** The API of a node at another port of the same host. */
function at(port: number, { url }: NodeTarget, flags: AccessFlags, { programName }: Context): NodeTarget {
  const other = new URL(url);
  other.port = `${port}`;
  return accessOf(flags)(findNode(other.origin, RuntimeFiles.open().list(), programName));
}
