// `dswarm provide` and `dswarm providers`: who provides what, as the DHT knows it.
import {
  FindProvidersResponseSchema,
  type FoundNode,
  ProvideResponseSchema,
  UnprovideResponseSchema,
} from "../../gen/dswarm/v1/node_pb.ts";
import type { NodeClient } from "./api-client.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { keepersText } from "./keepers-text.ts";
import { checkRecordName, recordNamed } from "./peer-name.ts";
import { type Column, tableLines } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { counted, printable } from "./text.ts";

/** The flags of `provide` and `providers`. */
export interface ProvideFlags extends AskFlags {
  readonly name?: string;
  readonly stop?: boolean;
}

/** Lets a node say that it provides something, or does so no more. Returns the exit code. */
export async function provide(key: string | undefined, flags: ProvideFlags, context: Context): Promise<number> {
  const request = requestOf(key, flags);
  if (flags.stop) {
    await askNode(flags, context, {
      schema: UnprovideResponseSchema,
      ask: async (client, options) => client.unprovide(await named(request, client), options),
      show: (answer) => [answer.key],
    });
  } else {
    await askNode(flags, context, {
      schema: ProvideResponseSchema,
      ask: async (client, options) => client.provide(await named(request, client), options),
      show: (answer) => [answer.key, context.stdout.paint("dim", `known to ${keepersText(answer)}`)],
    });
  }
  return exitCodes.ok;
}

/** Shows who provides something. Returns the exit code. */
export async function providers(key: string | undefined, flags: ProvideFlags, context: Context): Promise<number> {
  const request = requestOf(key, flags);
  const { providers: found } = await askNode(flags, context, {
    schema: FindProvidersResponseSchema,
    ask: async (client, options) => client.findProviders(await named(request, client), options),
    show: (answer) => foundNodeLines(answer.providers, "provider", context.stdout),
  });
  return found.length > 0 ? exitCodes.ok : exitCodes.failure;
}

/** The table of nodes that were found. */
export function foundNodeLines(
  nodes: readonly FoundNode[],
  noun: string,
  terminal: Pick<Terminal, "columns" | "paint">,
): string[] {
  if (nodes.length === 0) return [`No ${noun} is found.`];
  const columns: readonly Column[] = [
    { head: noun.toUpperCase(), cut: "id" },
    { head: "ADDRESS", cut: "text" },
  ];
  const rows = nodes.map(({ id, addresses }) => [printable(id), printable(addresses.join(" "))]);
  return [...tableLines(columns, rows, terminal), terminal.paint("dim", counted(nodes.length, noun))];
}

type Provided = { readonly key: string } | { readonly name: string };

async function named(request: Provided, client: NodeClient): Promise<Provided> {
  return "key" in request ? { key: await recordNamed(request.key, client) } : request;
}

function requestOf(key: string | undefined, { name }: ProvideFlags): Provided {
  if ((key === undefined) === (name === undefined)) throw new CliError("give either a key or --name", exitCodes.usage);
  if (key === undefined) return { name: name ?? "" };
  checkRecordName(key);
  return { key };
}
