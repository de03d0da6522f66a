// `dswarm watch`: follows the value under a key, or, without one, what happens in a node.
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import {
  type Rates,
  type WatchEventsResponse,
  WatchEventsResponseSchema,
  WatchValueResponseSchema,
} from "../../gen/dswarm/v1/node_pb.ts";
import { systemClock } from "../util/clock.ts";
import type { AskFlags } from "./ask-node.ts";
import { exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { followNode } from "./follow-node.ts";
import { checkRecordName, recordNamed } from "./peer-name.ts";
import { fitting, printable, shortId, timeOfDay } from "./text.ts";
import { valueInLine, valueOf } from "./value-output.ts";

/** The flags of `watch`. */
export interface WatchFlags extends AskFlags {
  readonly interval?: number;
  readonly past: number;
  readonly rates?: boolean;
}

/** Follows a key, or the events of a node. Returns the exit code. */
export async function watch(
  key: string | undefined,
  { interval, past, rates, ...flags }: WatchFlags,
  context: Context,
): Promise<number> {
  const { stdout, stderr } = context;
  // There is no other end of it.
  const stoppedCode = exitCodes.ok;
  const at = (wallMs: number): string => stdout.paint("dim", timeOfDay(wallMs));
  if (key !== undefined) {
    checkRecordName(key);
    return await followNode(flags, context, {
      schema: WatchValueResponseSchema,
      follow: async (client, options) =>
        client.watchValue(
          { key: await recordNamed(key, client), ...(interval !== undefined && { intervalMs: interval }) },
          options,
        ),
      // A pipe gets the exact bytes of each value. What else there is to say goes beside it.
      titleTo: stdout.isTerminal ? stdout : stderr,
      show: ({ record }) => {
        if (stdout.isTerminal) return [`${at(systemClock.wallMs())}  ${recordLine(record)}`];
        if (record === undefined) stderr.line("no record");
        else stdout.bytes(valueOf(record));
        return [];
      },
      stoppedCode,
    });
  }
  const names = rates ? ["rates"] : [];
  return await followNode(flags, context, {
    schema: WatchEventsResponseSchema,
    follow: (client, options) =>
      client.watchEvents({ past, names, ...(interval !== undefined && { ratesMs: interval }) }, options),
    isWanted: (event) => rates === true || event.rates === undefined,
    show: (event) => [`${at(event.timeMs)}  ${eventLine(event, stdout.columns - 10)}`],
    stoppedCode,
  });
}

function recordLine(record: DhtRecord | undefined): string {
  if (record === undefined) return "no record";
  const { kind } = record;
  const sequence = kind.case === "mutable" ? `sequence ${kind.value.sequence}: ` : "";
  return `${sequence}${valueInLine(valueOf(record))}`;
}

function eventLine({ name, peer, key, address, detail, rates }: WatchEventsResponse, columns: number): string {
  if (rates !== undefined) return ratesLine(rates);
  const lines = [(id: string) => id, shortId].map((shown) =>
    [name, shown(peer), shown(key), address, detail]
      .filter((part) => part !== "")
      .map(printable)
      .join(" "),
  );
  return fitting(lines, columns);
}

function ratesLine({ peers, connections, records, callsServed, callsMade, announces }: Rates): string {
  const kept = `peers ${peers}, links ${connections}, records ${records}`;
  return `${kept}; each second ${rate(callsServed)} calls in, ${rate(callsMade)} out, ${rate(announces)} announces`;
}

function rate(eachSecond: number): string {
  return eachSecond.toFixed(1);
}
