// What the commands have in common that ask a running node one thing and print its answer.
import { type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { callNode, type NodeClient, NothingListens } from "./api-client.ts";
import type { Context } from "./context.ts";
import { findNode, type NodeTarget } from "./find-node.ts";
import { type AccessFlags, accessOf } from "./node-access.ts";
import { RuntimeFiles } from "./runtime-files.ts";
import { fitting } from "./text.ts";

/** The flags of every command that asks a node. */
export interface AskFlags extends AccessFlags {
  readonly node?: string;
  readonly json?: boolean;
}

/** A question and how its answer is shown. */
export interface Question<Answer extends DescMessage> {
  readonly schema: Answer;
  readonly ask: (client: NodeClient, options: { readonly timeoutMs: number }) => Promise<MessageShape<Answer>>;
  /** The lines for people. */
  readonly show: (answer: MessageShape<Answer>) => readonly string[];
  /** Whether to say first which node it is that answers. @default true */
  readonly titled?: boolean;
  /** How long it may take, in milliseconds. @default 30000 */
  readonly timeoutMs?: number;
}

// Lookups among peers that are gone take seconds.
const defaultTimeoutMs = 30_000;

/** Asks a node and prints the answer: as one line of JSON, or for people. */
export async function askNode<Answer extends DescMessage>(
  flags: AskFlags,
  context: Context,
  { schema, ask, show, titled = true, timeoutMs = defaultTimeoutMs }: Question<Answer>,
): Promise<MessageShape<Answer>> {
  const { stdout } = context;
  return await withNode(flags, context, async (client, target) => {
    const answer = await ask(client, { timeoutMs });
    if (flags.json) {
      stdout.line(toJsonString(schema, answer, { alwaysEmitImplicit: true }));
      return answer;
    }
    if (titled) stdout.line(titleOf(target, context));
    for (const line of show(answer)) stdout.line(line);
    return answer;
  });
}

/**
 * Calls the node that the flags are for. The file of one that is gone is removed, and where none was named the next is called.
 * @param place what stands before the node's name on the command line
 * @throws CliError when there is none; what `call` throws
 */
export async function withNode<T>(
  { node, ...accessFlags }: AskFlags,
  { programName }: Context,
  call: (client: NodeClient, target: NodeTarget) => Promise<T>,
  place?: string,
): Promise<T> {
  const access = accessOf(accessFlags);
  const files = RuntimeFiles.open();
  for (;;) {
    const target = access(findNode(node, files.list(), programName, place));
    try {
      return await callNode(target, (client) => call(client, target));
    } catch (error) {
      if (target.running === undefined || !(error instanceof NothingListens)) throw error;
      files.remove(target.running);
      if (node !== undefined) throw error;
    }
  }
}

/** Which node answers, in a line. */
export function titleOf({ titles }: NodeTarget, { stdout }: Context): string {
  return stdout.paint("dim", fitting(titles, stdout.columns));
}
