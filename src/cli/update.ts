// `dswarm update`: publishes a value in the DHT under the node's own key, or deletes it.
import { DeleteValueResponseSchema, UpdateValueResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { keepersText } from "./keepers-text.ts";
import { valueGiven } from "./value-argument.ts";

/** The flags of `update` and `delete`. */
export interface UpdateFlags extends AskFlags {
  readonly salt: string;
  readonly expect?: number;
}

interface Updated {
  readonly key: string;
  readonly sequence: bigint;
  readonly replicas: number;
  readonly keptHere: boolean;
}

/** Lets a node update its value. Returns the exit code. */
export async function update(
  text: string | undefined,
  { file, ...flags }: UpdateFlags & { readonly file?: string },
  context: Context,
): Promise<number> {
  const value = await valueGiven(text, file);
  await askNode(flags, context, {
    schema: UpdateValueResponseSchema,
    ask: (client, options) => client.updateValue({ value, ...requestOf(flags) }, options),
    show: (answer) => shown(answer, context),
  });
  return exitCodes.ok;
}

/** Lets a node delete its value. Returns the exit code. */
export async function deleteValue(flags: UpdateFlags, context: Context): Promise<number> {
  await askNode(flags, context, {
    schema: DeleteValueResponseSchema,
    ask: (client, options) => client.deleteValue(requestOf(flags), options),
    show: (answer) => shown(answer, context),
  });
  return exitCodes.ok;
}

function requestOf({ salt, expect }: UpdateFlags) {
  return { salt: new Uint8Array(Buffer.from(salt)), ...(expect !== undefined && { expectedSequence: BigInt(expect) }) };
}

function shown(updated: Updated, { stdout }: Context): string[] {
  return [updated.key, stdout.paint("dim", `sequence ${updated.sequence}, kept by ${keepersText(updated)}`)];
}
