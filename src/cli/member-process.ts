// A node of a swarm in a process of its own: `start --json`, whose events come on its stdout and which ends when its stdin
// does, so that none outlives a swarm that was killed.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { SwarmControl } from "../node/swarm-directory.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import { CliError } from "./cli-error.ts";
import type { NodeEvent } from "./events.ts";
import type { Member } from "./member.ts";
import { answerMember } from "./member-channel.ts";
import { howItEnded } from "./text.ts";

/** How a process ended. */
export interface Exit {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: string | null;
}

/** What a member process needs. */
export interface MemberProcessInit {
  /** Arguments of `start`. */
  readonly args: readonly string[];
  readonly clock: Clock;
  readonly onEvent: (event: NodeEvent) => void;
  /** A line of its log. */
  readonly onLogLine: (line: string) => void;
  /** It has ended by itself after it listened. */
  readonly onDied: (id: string, exit: Exit) => void;
  /** Starts and stops nodes of the swarm, as the node of the process asks. @default none does */
  readonly control?: SwarmControl;
}

// A node closes within seconds; one that hangs is not waited for.
const closeGraceMs = 15_000;
// A member runs the same program in the same way as this one.
const [, programPath = ""] = process.argv;

/** A child process that runs one node. */
export class MemberProcess implements Member {
  readonly #init: MemberProcessInit;
  #child: ChildProcess | undefined;
  #ended: Promise<Exit> | undefined;
  #id: string | undefined;
  #failure: string | undefined;
  #isClosing = false;

  constructor(init: MemberProcessInit) {
    this.#init = init;
  }

  get id(): string | undefined {
    return this.#isClosing ? undefined : this.#id;
  }

  /** @throws CliError when the process ends before its node listens */
  async start(): Promise<void> {
    const { args, control } = this.#init;
    const child = spawn(
      process.execPath,
      [...process.execArgv, programPath, "start", "--json", "--until-eof", ...args],
      {
        stdio: ["pipe", "pipe", "pipe", ...(control === undefined ? [] : ["ipc" as const])],
      },
    );
    if (child.stdin === null || child.stdout === null || child.stderr === null) {
      throw new CliError("the process of a node has no pipes");
    }
    this.#child = child;
    if (control !== undefined) answerMember(child, control);
    const listening = Promise.withResolvers<void>();
    onLines(child.stdout, (line) => this.#onEventLine(line, listening.resolve));
    onLines(child.stderr, (line) => this.#onLogLine(line));
    // Closing stdin is the signal; it may be closed from the other end.
    child.stdin.on("error", () => undefined);
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#failure = messageOf(error);
        resolve({ pid: 0, code: null, signal: null });
      });
      child.once("close", (code, signal) => resolve({ pid: child.pid ?? 0, code, signal }));
    });
    const exit = await Promise.race([listening.promise, this.#ended]);
    if (exit !== undefined) throw new CliError(this.#failure ?? `the process of a node ${howItEnded(exit)}`);
    void this.#ended.then((ending) => {
      if (!this.#isClosing && this.#id !== undefined) this.#init.onDied(this.#id, ending);
    });
  }

  reportClosest(): void {}

  /** As every member; a process that takes longer than 15 seconds is killed. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#child?.stdin?.end();
    const cancel = this.#init.clock.setTimeout(() => this.#child?.kill("SIGKILL"), closeGraceMs);
    await this.#ended;
    cancel();
  }

  #onEventLine(line: string, onListening: () => void): void {
    const fields = parsed(line);
    if (typeof fields?.["event"] !== "string") return;
    // Of the same program, which writes events of nodes to stdout and nothing else.
    const event = fields as unknown as NodeEvent;
    this.#id ??= event.id;
    this.#init.onEvent(event);
    if (event.event === "listening") onListening();
  }

  #onLogLine(line: string): void {
    const fields = parsed(line);
    if (fields?.["event"] === "failed" && typeof fields["message"] === "string") this.#failure = fields["message"];
    else this.#init.onLogLine(line);
  }
}

function onLines(stream: Readable, take: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", take);
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
