// What the commands have in common that follow what a running node tells, until it ends or they are told to stop.
import { type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import type { NodeClient } from "./api-client.ts";
import { type AskFlags, titleOf, withNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { codeOfStop, listenForStop } from "./stop-signal.ts";
import type { Terminal } from "./terminal.ts";

/** What is followed, and how each message of it is shown. */
export interface Following<Answer extends DescMessage> {
  readonly schema: Answer;
  readonly follow: (
    client: NodeClient,
    options: { readonly signal: AbortSignal },
  ) => AsyncIterable<MessageShape<Answer>> | Promise<AsyncIterable<MessageShape<Answer>>>;
  /** Which messages to print. @default all */
  readonly isWanted?: (answer: MessageShape<Answer>) => boolean;
  /** The lines for people. */
  readonly show: (answer: MessageShape<Answer>) => readonly string[];
  /** Where to say which node it is. @default standard output */
  readonly titleTo?: Terminal;
  /** The exit code where it was stopped before its end. */
  readonly stoppedCode: number;
}

/** Prints what a node tells, a line of JSON each or for people. Returns the exit code. */
export async function followNode<Answer extends DescMessage>(
  flags: AskFlags,
  context: Context,
  { schema, follow, isWanted = () => true, show, titleTo = context.stdout, stoppedCode }: Following<Answer>,
): Promise<number> {
  const { stdout } = context;
  const stop = listenForStop();
  try {
    await withNode(flags, context, async (client, target) => {
      if (!flags.json) titleTo.line(titleOf(target, context));
      for await (const answer of await follow(client, { signal: stop })) {
        if (!isWanted(answer)) continue;
        if (flags.json) stdout.line(toJsonString(schema, answer, { alwaysEmitImplicit: true }));
        else for (const line of show(answer)) stdout.line(line);
      }
    });
  } catch (error) {
    if (!stop.aborted) throw error;
    return codeOfStop(stop, stoppedCode);
  }
  return exitCodes.ok;
}
