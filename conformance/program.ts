// The program under test: a process that reads commands and writes answers, one JSON object a line (docs/conformance.md).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** An answer's `ok`, or the fields of a command. */
export type Fields = Readonly<Record<string, unknown>>;

/** The program has answered with an error. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: string;

  constructor(command: string, code: string, message: string) {
    super(`${command} answered ${code}: ${message}`);
    this.code = code;
  }
}

interface Waiting {
  readonly command: string;
  readonly resolve: (ok: Fields) => void;
  readonly reject: (error: Error) => void;
}

const patienceMs = 20_000;
const exitMs = 5000;

/** A running program. */
export class Program implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #fault: Error | undefined;

  constructor(command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#process = child;
    child.on("error", (error) => this.#fail(new Error(`${command} does not start: ${error.message}`)));
    child.on("exit", (code, signal) => this.#fail(new Error(`the program has exited (${signal ?? code})`)));
    child.stdin.on("error", () => undefined); // its exit is told above
    createInterface({ input: child.stdout }).on("line", (line) => this.#onLine(line));
  }

  /** Why no command is answered any more. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  /**
   * Sends a command.
   * @throws CommandError for an answer that is an error; Error when none comes within 20 s, or the program has exited
   */
  request(command: string, fields: Fields = {}): Promise<Fields> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Fields>();
    const timer = setTimeout(() => {
      this.#waiting.delete(id);
      reject(new Error(`${command} is not answered`));
    }, patienceMs);
    this.#waiting.set(id, { command, resolve, reject });
    this.#process.stdin?.write(`${JSON.stringify({ id, do: command, ...fields })}\n`);
    return promise.finally(() => clearTimeout(timer));
  }

  /** Ends its input, and the program itself where it does not end within 5 s. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode, pid } = this.#process;
    if (exitCode !== null || signalCode !== null || pid === undefined) return;
    const exit = once(this.#process, "exit");
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), exitMs);
    await exit;
    clearTimeout(timer);
  }

  #onLine(line: string): void {
    let answer: { id?: unknown; ok?: Fields; error?: { code?: unknown; message?: unknown } } | null;
    try {
      answer = JSON.parse(line);
    } catch {
      this.#fail(new Error(`a line that is no JSON: ${line.slice(0, 200)}`));
      return;
    }
    const id = Number(answer?.id);
    const waiting = this.#waiting.get(id);
    // It may have been given up.
    if (waiting === undefined || answer === null) return;
    this.#waiting.delete(id);
    const { ok, error } = answer;
    if (ok !== undefined) waiting.resolve(ok);
    else waiting.reject(new CommandError(waiting.command, String(error?.code), String(error?.message)));
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
