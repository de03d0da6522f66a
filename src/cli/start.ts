// `dswarm start`: one node, until it is told to stop.
import { systemClock } from "../util/clock.ts";
import { every } from "../util/every.ts";
import { checkNodeFlags } from "./check-flags.ts";
import { exitCodes } from "./cli-error.ts";
import { createCliLogger } from "./cli-logger.ts";
import type { Context } from "./context.ts";
import { closestIntervalMs } from "./events.ts";
import type { Place } from "./flag-values.ts";
import { HostedNode, openRuntimeFiles } from "./hosted-node.ts";
import { createJsonReporter } from "./json-reporter.ts";
import { controlOfParent } from "./member-channel.ts";
import { type NodeFlags, nodeOptionsOf } from "./node-flags.ts";
import { NodeReporter } from "./node-reporter.ts";
import { aborted, listenForStop } from "./stop-signal.ts";

/** The flags of `start`. */
export interface StartFlags extends NodeFlags {
  readonly untilEof?: boolean;
  readonly place?: Place;
}

/** Runs one node. Returns the exit code. */
export async function start(flags: StartFlags, { stdout, stderr, programName }: Context): Promise<number> {
  checkNodeFlags(flags);
  // What the database writes is its owner's alone, too.
  process.umask(0o077);
  const stop = listenForStop({ ...flags, isNode: true });
  const logger = createCliLogger(flags, stderr, flags.place && { node: flags.place.index });
  const reporter = flags.json ? createJsonReporter(stdout) : new NodeReporter(stdout, { ...flags, programName });
  const place = flags.place ?? { startedAtMs: systemClock.wallMs(), index: 1 };
  const node = new HostedNode({
    options: nodeOptionsOf(flags, logger),
    place,
    files: openRuntimeFiles(logger),
    onEvent: (event) => reporter.report(event, place.index),
    control: flags.place && controlOfParent(),
  });
  await node.start();
  const stopRounds = every(systemClock, closestIntervalMs, () => node.reportClosest());
  await aborted(stop);
  stopRounds();
  await node.close();
  return exitCodes.ok;
}
