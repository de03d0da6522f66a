// A child process that answers commands: node:child_process with requests and answers over its IPC channel. The child ends
// with its parent.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A command to a child, or an answer's cause. */
export interface Command {
  readonly id: number;
  readonly name: string;
  readonly value: unknown;
}

/** An answer of a child. */
export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const cache = fileURLToPath(new URL("../../node_modules/.cache/node-compile", import.meta.url));
const stderrKept = 4000;

/** A running child. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #stderr = "";
  #exit: string | undefined;

  /**
   * @param program file name in this folder
   * @param descriptors file descriptors that it may have; without it as many as this process
   */
  constructor(program: string, args: readonly string[], execArgv: readonly string[] = [], descriptors?: number) {
    const limited = ["-c", `ulimit -n ${descriptors} && exec "$0" "$@"`, process.execPath, ...execArgv];
    this.#process = fork(fileURLToPath(new URL(program, import.meta.url)), args, {
      ...(descriptors === undefined ? { execArgv: [...execArgv] } : { execPath: "/bin/sh", execArgv: limited }),
      stdio: ["ignore", "inherit", "pipe", "ipc"],
      serialization: "advanced",
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrKept);
    });
    this.#process.on("message", (answer: Answer) => this.#onAnswer(answer));
    this.#process.on("error", (error) => this.#onExit(error.message));
    this.#process.on("exit", (code, signal) => this.#onExit(String(signal ?? code)));
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** How it ended, with the end of what it wrote to stderr; undefined while it runs. */
  get ending(): string | undefined {
    return this.#exit;
  }

  /**
   * Gives a command.
   * @throws Error with what went wrong in the child, or that it has ended, or has not answered in time
   */
  async tell(name: string, value?: unknown, ms = 30_000): Promise<unknown> {
    if (this.#exit !== undefined) throw new Error(`the process has ended: ${this.#exit}`);
    const id = ++this.#lastId;
    const waiting = Promise.withResolvers<unknown>();
    this.#pending.set(id, waiting);
    const timer = setTimeout(() => waiting.reject(new Error(`${name} takes over ${ms} ms`)), ms);
    this.#process.send({ id, name, value } satisfies Command, (error) => {
      if (error !== null) waiting.reject(error);
    });
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /** kill -9. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#exit !== undefined) return;
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exit;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #onAnswer({ id, value, error }: Answer): void {
    const waiting = this.#pending.get(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }

  #onExit(how: string): void {
    this.#exit = `${how} ${this.#stderr}`.trim();
    for (const { reject } of this.#pending.values()) reject(new Error(`the process has ended: ${this.#exit}`));
  }
}

/** The child's side: answers commands until the parent is gone. */
export function answerCommands(answers: Readonly<Record<string, (value: unknown) => unknown>>): void {
  process.on("message", (command: Command) => void reply(command, answers[command.name]));
  process.on("disconnect", () => process.exit(0));
}

async function reply({ id, name, value }: Command, act: ((value: unknown) => unknown) | undefined): Promise<void> {
  let answer: Answer;
  try {
    if (act === undefined) throw new Error(`no command is called ${name}`);
    answer = { id, value: await act(value) };
  } catch (error) {
    answer = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  // A parent that is gone needs no answer.
  if (process.connected) process.send?.(answer, () => undefined);
}
