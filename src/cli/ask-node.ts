// What the commands have in common that ask a running node one thing and print its answer.
import { type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { NodeService } from "../../gen/dswarm/v1/node_pb.ts";
import { callNode } from "./api-client.ts";
import type { Context } from "./context.ts";
import { findNode } from "./find-node.ts";
import { RuntimeFiles } from "./runtime-files.ts";

/** The flags of every command that asks a node. */
export interface AskFlags {
  readonly node?: string;
  readonly json?: boolean;
}

// Lookups among peers that are gone take seconds.
const timeoutMs = 30_000;

/**
 * Asks a node and prints the answer: as JSON, or the lines that `show` makes of it.
 * @param title whether to say first which node it is that answers
 */
export async function askNode<Answer extends DescMessage>(
  { node, json }: AskFlags,
  { stdout, programName }: Context,
  schema: Answer,
  ask: (client: Client<typeof NodeService>, options: { readonly timeoutMs: number }) => Promise<MessageShape<Answer>>,
  show: (answer: MessageShape<Answer>) => readonly string[],
  title = true,
): Promise<MessageShape<Answer>> {
  const target = findNode(node, RuntimeFiles.open().list(), programName);
  const answer = await callNode(target, (client) => ask(client, { timeoutMs }));
  if (json) {
    stdout.line(toJsonString(schema, answer, { alwaysEmitImplicit: true }));
  } else {
    if (title) stdout.line(stdout.paint("dim", target.title));
    for (const line of show(answer)) stdout.line(line);
  }
  return answer;
}
