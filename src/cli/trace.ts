// `dswarm trace`: draws a lookup as it happens: who is asked, by whose word, who answers when, and how close each is.
import {
  LookupStepKind,
  type TracedNode,
  type TraceLookupResponse,
  TraceLookupResponseSchema,
} from "../../gen/dswarm/v1/node_pb.ts";
import type { AskFlags } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { followNode } from "./follow-node.ts";
import { checkKeyName, keyNamed } from "./peer-name.ts";
import { foundNodeLines } from "./provide.ts";
import type { Style, Terminal } from "./terminal.ts";
import { counted, fitting, printable, shortId } from "./text.ts";

const idBits = 256;
const maxBar = 16;
const heads = ["      MS  HOP  PEER                 BITS SHARED WITH IT", "      MS  HOP  PEER                 BITS"];
const shownClosest = 5;

const signs: Readonly<Partial<Record<LookupStepKind, readonly [sign: string, style: Style]>>> = {
  [LookupStepKind.ASKED]: ["→", "dim"],
  [LookupStepKind.ANSWERED]: ["←", "green"],
  [LookupStepKind.SLOW]: ["…", "yellow"],
  [LookupStepKind.TIMED_OUT]: ["✗", "red"],
  [LookupStepKind.FAILED]: ["✗", "red"],
};

/** Draws the lookup of a key or a peer. Returns the exit code: 1 where nobody is found. */
export async function trace(key: string, flags: AskFlags, context: Context): Promise<number> {
  checkKeyName(key);
  let found: number | undefined;
  const code = await followNode(flags, context, {
    schema: TraceLookupResponseSchema,
    follow: async (client, options) => client.traceLookup({ key: await keyNamed(key, client) }, options),
    show(step) {
      found ??= step.result?.closest.length;
      return stepLines(step, context.stdout);
    },
    stoppedCode: exitCodes.interrupted,
  });
  return !flags.json && found === 0 ? exitCodes.failure : code;
}

/** The lines of a step. */
function stepLines(step: TraceLookupResponse, terminal: Pick<Terminal, "columns" | "paint">): string[] {
  const { kind, target, result, peer } = step;
  if (kind === LookupStepKind.STARTED) {
    return [`Looking for ${printable(target).slice(0, 16)}…`, terminal.paint("dim", fitting(heads, terminal.columns))];
  }
  if (result !== undefined) {
    const { closest, queries, failures, hops, elapsedMs } = result;
    const summary = `${counted(queries, "query", "queries")}, ${failures} failed, ${counted(hops, "hop")}, ${elapsedMs.toFixed(1)} ms`;
    const closer = closest.slice(0, shownClosest);
    return [
      "",
      ...foundNodeLines(closer, "closest", terminal).slice(0, -1),
      `${counted(closest.length, "node")} found: ${summary}`,
    ];
  }
  return peer === undefined ? [] : [queryLine(step, peer, terminal)];
}

function queryLine(
  step: TraceLookupResponse,
  peer: TracedNode,
  { columns, paint }: Pick<Terminal, "columns" | "paint">,
): string {
  const [sign, style] = signs[step.kind] ?? ["?", "dim"];
  // The way that led to the peer, as a tree shows it.
  const indent = "  ".repeat(Math.min(step.hop - 1, 4));
  const head = `${step.elapsedMs.toFixed(1).padStart(8)}  ${`${step.hop}`.padStart(3)}  ${indent}`;
  const name = `${sign} ${shortId(printable(peer.id))}`;
  const bits = idBits - peer.distanceBits;
  const filler = " ".repeat(Math.max(0, 20 - indent.length - name.length));
  const closeness = `${filler} ${`${bits}`.padStart(4)} ${"■".repeat(Math.min(bits, maxBar))}`.trimEnd();
  const note = noteOf(step);
  const full = `${head}${name}${closeness}${note === "" ? "" : `  ${note}`}`;
  if (full.length <= columns)
    return `${head}${paint(style, name)}${closeness}${note === "" ? "" : `  ${paint("dim", note)}`}`;
  return `${head}${paint(style, name)} ${note}`
    .slice(0, Number.isFinite(columns) ? columns + (paint(style, name).length - name.length) : undefined)
    .trimEnd();
}

function noteOf({ kind, rttMs, learnt, error }: TraceLookupResponse): string {
  const time = rttMs === undefined ? "" : `${rttMs.toFixed(1)} ms`;
  if (kind === LookupStepKind.ANSWERED) return `${time}, ${learnt.length} new`;
  if (kind === LookupStepKind.SLOW) return `slow: ${time}`;
  if (kind === LookupStepKind.TIMED_OUT) return `no answer in ${time}`;
  if (kind === LookupStepKind.FAILED) return printable(error?.message ?? "failed");
  return "";
}
