// `dswarm swarm`: many nodes at once, in this process or in one each.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { SwarmControl } from "../node/swarm-directory.ts";
import { systemClock } from "../util/clock.ts";
import { every } from "../util/every.ts";
import type { Logger } from "../util/log.ts";
import { Acquaintance } from "./acquaintance.ts";
import { checkNodeFlags } from "./check-flags.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { createCliLogger, prettyLogLine } from "./cli-logger.ts";
import type { Context } from "./context.ts";
import { closestIntervalMs, type NodeEvent, type Reporter } from "./events.ts";
import { createJsonReporter } from "./json-reporter.ts";
import type { Member } from "./member.ts";
import { type Exit, MemberProcess } from "./member-process.ts";
import { argumentsOf, memberFlags, type NodeFlags, nodeOptionsOf } from "./node-flags.ts";
import { aborted, listenForStop } from "./stop-signal.ts";
import { SwarmMembers } from "./swarm-members.ts";
import { SwarmReporter } from "./swarm-reporter.ts";

/** The flags of `swarm`. */
export interface SwarmFlags extends NodeFlags {
  readonly nodes: number;
  readonly processes?: boolean;
}

/** Runs a swarm. Returns the exit code. */
export async function swarm(flags: SwarmFlags, context: Context): Promise<number> {
  checkNodeFlags(flags, flags.nodes);
  process.umask(0o077);
  const { stdout, programName } = context;
  const stop = listenForStop({ isNode: true });
  const reporter = flags.json
    ? createJsonReporter(stdout)
    : new SwarmReporter(stdout, flags.nodes, { ...flags, programName });
  const events = new SwarmEvents(flags.nodes, reporter);
  const make = flags.processes ? processMembers(flags, context, events) : await localMembers(flags, context, events);
  const members: SwarmMembers = new SwarmMembers({
    make: (index) => make(index, members),
    onAdding: () => events.expect(1),
    onAddFailed: () => events.expect(-1),
    onStopping: (id) => events.stopping(id),
  });
  events.onDied = (id) => members.died(id);
  const stopRounds = every(systemClock, closestIntervalMs, () => tellClosest(members.first(reporter.closestNodes)));
  try {
    const all = members.startAll(flags.nodes, stop);
    await Promise.race([all.then(() => aborted(stop)), aborted(stop), events.allDied]);
  } finally {
    stopRounds();
    await members.close();
  }
  return exitCodes.ok;
}

/** Brings the events of all members together. */
class SwarmEvents {
  /** Rejects when no member is left. */
  readonly allDied: Promise<never>;
  readonly #reporter: Reporter;
  readonly #acquaintance: Acquaintance;
  readonly #rejectAllDied: (error: CliError) => void;
  /** Bounded by the nodes of the swarm. */
  readonly #stopping = new Set<string>();
  /** Told of each that has died. */
  onDied: (id: string) => void = () => undefined;
  #left: number;

  constructor(nodes: number, reporter: Reporter) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    this.allDied = promise;
    this.#rejectAllDied = reject;
    this.#left = nodes;
    this.#reporter = reporter;
    this.#acquaintance = new Acquaintance(nodes);
  }

  /** More nodes, or fewer, are there than were said before. */
  expect(more: number): void {
    this.#left += more;
    this.#acquaintance.expect(more);
  }

  /** A node is about to be stopped, and the others go on. */
  stopping(id: string): void {
    this.#left -= 1;
    this.#stopping.add(id);
    if (this.#acquaintance.drop(id)) this.#complete();
  }

  note(event: NodeEvent, index: number): void {
    const isStopped = event.event === "closing" && this.#stopping.delete(event.id);
    this.#reporter.report(isStopped ? { event: "stopped", id: event.id } : event, index);
    if (this.#acquaintance.note(event)) this.#complete();
  }

  died(id: string, exit: Exit, index: number): void {
    this.#left -= 1;
    this.onDied(id);
    this.#reporter.report({ event: "died", id, ...exit }, index);
    if (this.#acquaintance.drop(id)) this.#complete();
    if (this.#left === 0) this.#rejectAllDied(new CliError("the processes of all nodes have ended"));
  }

  #complete(): void {
    // The clock starts with the process.
    this.#reporter.report({ event: "complete", nodes: this.#left, ms: Math.round(systemClock.now()) }, 0);
  }
}

type MakeMember = (index: number, control: SwarmControl) => Member;

async function localMembers(flags: SwarmFlags, { stderr }: Context, events: SwarmEvents): Promise<MakeMember> {
  // Not worth loading where every node has a process of its own.
  const { HostedNode, openRuntimeFiles } = await import("./hosted-node.ts");
  const files = openRuntimeFiles(createCliLogger(flags, stderr));
  const startedAtMs = systemClock.wallMs();
  return (index, control) => {
    const logger: Logger = createCliLogger(flags, stderr, { node: index });
    const options = nodeOptionsOf(memberFlags(flags, index), logger);
    return new HostedNode({
      options,
      place: { startedAtMs, index },
      files,
      onEvent: (event) => events.note(event, index),
      control,
    });
  };
}

function processMembers(flags: SwarmFlags, { stderr }: Context, events: SwarmEvents): MakeMember {
  const startedAtMs = Math.round(systemClock.wallMs());
  return (index, control) =>
    new MemberProcess({
      args: [...argumentsOf(memberFlags(flags, index)), `--place=${startedAtMs}:${index}`],
      clock: systemClock,
      onEvent: (event) => events.note(event, index),
      onLogLine: (line) => stderr.line(flags.json ? line : prettyLogLine(line, stderr)),
      onDied: (id, exit) => events.died(id, exit, index),
      control,
    });
}

async function tellClosest(members: readonly Member[]): Promise<void> {
  for (const member of members) {
    member.reportClosest();
    // A large swarm must not stand still for it.
    await nextTurn();
  }
}
