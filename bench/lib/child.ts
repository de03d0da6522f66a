// A child process as the benchmark sees it.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answer, Commands } from "./commands.ts";

const hostPath = fileURLToPath(new URL("host.ts", import.meta.url));
/** Added to the time that a command is meant to take, before the child is given up. */
const graceMs = 30_000;

/** A server or client process of a stack. Ended by `close` or `kill`. */
export class Child {
  readonly #process: ChildProcess;
  readonly #what: string;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #exited = Promise.withResolvers<void>();
  #nextId = 0;
  #stderr = "";

  constructor(stack: string, what: "server" | "client") {
    this.#what = `${what} of ${stack}`;
    this.#process = fork(hostPath, [stack], {
      execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    this.#process.on("message", (answer: Answer) => this.#onAnswer(answer));
    this.#process.on("exit", (code, signal) => {
      this.#exited.resolve();
      const error = new Error(`the ${this.#what} ended (${signal ?? code}) ${this.#stderr}`);
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /**
   * Gives a command.
   * @param ms how long it is meant to take @default 0
   * @throws Error with what went wrong in the child, or when the child takes far too long and is killed
   */
  async tell<Name extends keyof Commands>(
    name: Name,
    ...[take, ms = 0]: Commands[Name]["take"] extends undefined
      ? [take?: undefined, ms?: number]
      : [take: Commands[Name]["take"], ms?: number]
  ): Promise<Commands[Name]["give"]> {
    const id = this.#nextId++;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    const timer = setTimeout(() => {
      pending.reject(new Error(`the ${this.#what} did not ${name} in time`));
      this.kill();
    }, ms + graceMs);
    this.#process.send({ id, name, take }, (error) => {
      if (error !== null) pending.reject(error);
    });
    try {
      return (await pending.promise) as Commands[Name]["give"];
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /** Ends it in order; kills it where it does not. */
  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.connected) {
      await this.tell("close").catch(() => this.kill());
    }
    await this.#exited.promise;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #onAnswer({ id, give, error }: Answer): void {
    const pending = this.#pending.get(id);
    if (error === undefined) pending?.resolve(give);
    else pending?.reject(new Error(`the ${this.#what}: ${error}`));
  }
}
