// `dswarm ping`: asks a running node to ping peers.
import { create, toJsonString } from "@bufbuild/protobuf";
import { PingPeersRequestSchema, PingPeersResponseSchema, type PingResult } from "../../gen/dswarm/v1/node_pb.ts";
import { NodeId } from "../identity/node-id.ts";
import { messageOf } from "../util/errors.ts";
import { callNode } from "./api-client.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { findNode } from "./find-node.ts";
import { RuntimeFiles } from "./runtime-files.ts";
import type { Terminal } from "./terminal.ts";
import { alignColumns, printable } from "./text.ts";

/** The flags of `ping`. */
export interface PingFlags {
  readonly node?: string;
  readonly count: number;
  readonly timeout: number;
  readonly json?: boolean;
}

// For the way to the node and back, on top of what each ping may take.
const slackMs = 2000;

/**
 * Lets a node ping peers, and shows how it went. Returns the exit code.
 * @param ids the peers, none for the closest ones
 */
export async function ping(
  ids: readonly string[],
  { node, count, timeout, json }: PingFlags,
  { stdout, programName }: Context,
): Promise<number> {
  const request = create(PingPeersRequestSchema, { ids: ids.map(checkedId), count, timeoutMs: timeout });
  const target = findNode(node, RuntimeFiles.open().list(), programName);
  const answer = await callNode(target, (client) => client.pingPeers(request, { timeoutMs: timeout + slackMs }));
  if (json) {
    stdout.line(toJsonString(PingPeersResponseSchema, answer, { alwaysEmitImplicit: true }));
  } else {
    stdout.line(stdout.paint("dim", target.title));
    for (const line of pingLines(answer.results, stdout)) stdout.line(line);
  }
  const allAnswered = answer.results.length > 0 && answer.results.every(({ ok }) => ok);
  return allAnswered ? exitCodes.ok : exitCodes.failure;
}

/** The table that `ping` prints. */
export function pingLines(results: readonly PingResult[], { paint }: Pick<Terminal, "paint">): string[] {
  if (results.length === 0) return ["No peers are known yet."];
  const rows = results.map(({ id, address, ok, rttMs, error }) => {
    const how = ok ? paint("green", (rttMs ?? 0).toFixed(2)) : paint("red", printable(error?.message ?? "no answer"));
    return [printable(id), printable(address === "" ? "-" : address), how];
  });
  return alignColumns([["PEER", "ADDRESS", "MS"], ...rows]);
}

function checkedId(text: string): string {
  try {
    return NodeId.parse(text).toString();
  } catch (error) {
    throw new CliError(`${printable(text)}: ${messageOf(error)}`, exitCodes.usage);
  }
}
