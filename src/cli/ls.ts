// `dswarm ls`: shows the nodes that run on this machine.

import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { type GetStatusResponse, ListSwarmResponseSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { messageOf } from "../util/errors.ts";
import { callNode, NothingListens } from "./api-client.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { findNode, type NodeTarget } from "./find-node.ts";
import { type Access, accessOf } from "./node-access.ts";
import { type RunningNode, RuntimeFiles } from "./runtime-files.ts";
import { type Column, tableLines } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { counted, duration, printable } from "./text.ts";

/** The flags of `ls`. */
export type LsFlags = AskFlags;

/** A node that runs here, and how it is. */
interface ListedNode {
  readonly node: RunningNode;
  /** What it says of itself, or why it does not. */
  readonly answer: GetStatusResponse | Error;
}

/** A node as `ls --json` prints it, a line each. */
interface NodeLine extends RunningNode {
  /** Whether it answers. The fields below are there when it does. */
  readonly ok: boolean;
  readonly network?: string;
  readonly version?: string;
  readonly uptimeMs?: number;
  readonly peers?: number;
  readonly connections?: number;
  readonly records?: number;
  readonly error?: string;
}

const timeoutMs = 3000;
const askedAtOnce = 16;
const columns: readonly Column[] = [
  { head: "#", right: true },
  { head: "NODE", cut: "id" },
  { head: "PORT", right: true },
  { head: "PID", right: true, drop: 3 },
  { head: "NETWORK", cut: "text", drop: 2 },
  { head: "PEERS", right: true },
  { head: "RECORDS", right: true, drop: 1 },
  { head: "UP", right: true },
];

const swarmColumns: readonly Column[] = [
  { head: "#", right: true },
  { head: "NODE", cut: "id" },
  { head: "PORT", right: true },
  { head: "PID", right: true, drop: 1 },
  { head: "ASKED", drop: 2 },
];

/** Shows the nodes of the user that run here. Files of nodes that are gone are removed. Returns the exit code. */
export async function ls(flags: LsFlags, context: Context): Promise<number> {
  const { json } = flags;
  const { stdout, programName } = context;
  if (flags.node !== undefined) return await listSwarm(flags, context);
  const files = RuntimeFiles.open();
  const nodes = await listNodes(files, accessOf(flags));
  if (json) {
    for (const node of nodes) stdout.line(JSON.stringify(lineOf(node)));
  } else {
    for (const line of nodeLines(nodes, programName, stdout)) stdout.line(line);
  }
  return nodes.every(({ answer }) => !(answer instanceof Error)) ? exitCodes.ok : exitCodes.failure;
}

/** Shows the nodes that were started together with one, as that tells. */
async function listSwarm(flags: LsFlags, context: Context): Promise<number> {
  await askNode(flags, context, {
    schema: ListSwarmResponseSchema,
    ask: (client, options) => client.listSwarm({}, options),
    show: ({ nodes }) => [
      ...tableLines(
        swarmColumns,
        nodes.map(({ index, id, port, pid, self }) => [
          `${index}`,
          printable(id),
          `${port}`,
          `${pid}`,
          self ? "yes" : "",
        ]),
        context.stdout,
      ),
      context.stdout.paint("dim", counted(nodes.length, "node")),
    ],
  });
  return exitCodes.ok;
}

async function listNodes(files: RuntimeFiles, access: Access): Promise<ListedNode[]> {
  const running = files.list();
  const listed = new Map<RunningNode, ListedNode>();
  const queue = running.values();
  const askSome = async (): Promise<void> => {
    for (const node of queue) {
      const answer = await statusOf(access(findNode(node.url, running, "")));
      if (answer instanceof NothingListens) files.remove(node);
      else listed.set(node, { node, answer });
    }
  };
  await Promise.all(Array.from({ length: askedAtOnce }, askSome));
  // In the order of the numbers that --node takes.
  return running.flatMap((node) => listed.get(node) ?? []);
}

async function statusOf(target: NodeTarget): Promise<GetStatusResponse | Error> {
  try {
    return await callNode(target, (client) => client.getStatus({}, { timeoutMs }));
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function lineOf({ node, answer }: ListedNode): NodeLine {
  if (answer instanceof Error) return { ...node, ok: false, error: answer.message };
  const { network, version, uptimeMs, peers, connections, records } = answer;
  return { ...node, ok: true, network, version, uptimeMs, peers, connections, records };
}

/** Why a node has not told how it is, in a few words. */
function whyNot(error: Error): string {
  if (!(error instanceof ConnectError)) return "does not answer";
  return error.code === Code.Unauthenticated ? "asks for a token" : `answers ${codeToString(error.code)}`;
}

/** The table that `ls` prints. */
function nodeLines(
  nodes: readonly ListedNode[],
  programName: string,
  terminal: Pick<Terminal, "columns" | "paint">,
): string[] {
  if (nodes.length === 0) return [`No node of yours runs on this machine. To start one: ${programName} start`];
  const rows = nodes.map(({ node, answer }) => {
    const head = [`${node.number}`, printable(node.id), `${node.port}`, `${node.pid}`];
    if (answer instanceof Error) return [...head, { text: whyNot(answer), style: "red" as const }, "-", "-", "-"];
    const { network, peers, records, uptimeMs } = answer;
    return [...head, printable(network), `${peers}`, `${records}`, duration(uptimeMs)];
  });
  const lacksToken = nodes.some(({ answer }) => answer instanceof ConnectError && answer.code === Code.Unauthenticated);
  return [
    ...tableLines(columns, rows, terminal),
    terminal.paint("dim", counted(nodes.length, "node")),
    ...(lacksToken
      ? ["A node asks for a token: name the file that has it with --token-file or DSWARM_TOKEN_FILE."]
      : []),
  ];
}
