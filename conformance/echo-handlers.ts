// EchoService with the behaviours that docs/conformance.md agrees on.
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { EchoRequestSchema, type EchoService } from "../gen/dswarm/example/v1/echo_pb.ts";
import { codeOf } from "./status-code.ts";

interface Payload {
  readonly payload: Uint8Array;
}

/** What fits in an open frame. */
const maxOrderBytes = 69_632;

/** The handlers of one connection, or of one node, and what is known of them. */
export class EchoHandlers {
  /** Handlers that run. */
  running = 0;
  /** Handlers that saw their call cancelled or its deadline pass. */
  cancelled = 0;
  /** Requests read. */
  messages = 0;
  /** Answers that were produced. */
  answers = 0;
  readonly #release = Promise.withResolvers<void>();

  /** The service. */
  readonly implementation: ServiceImpl<typeof EchoService> = {
    echo: (request, context) => this.#unary(context, () => this.#answer(request, context)),
    collect: (requests, context) => this.#unary(context, () => this.#collect(requests, context)),
    repeat: ({ payload, count }, context) => this.#stream(context, this.#repeat(payload, count, context)),
    converse: (requests, context) => this.#stream(context, this.#converse(requests, context)),
  };

  /** Stalled handlers go on, and later ones do not stall. */
  release(): void {
    this.#release.resolve();
  }

  async #unary<T>(context: HandlerContext, handle: () => Promise<T>): Promise<T> {
    this.#begin(context);
    try {
      return await handle();
    } finally {
      this.#end(context);
    }
  }

  async *#stream<T>(context: HandlerContext, answers: AsyncIterable<T>): AsyncGenerator<T> {
    this.#begin(context);
    try {
      yield* answers;
    } finally {
      this.#end(context);
    }
  }

  #begin({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
    this.running += 1;
    for (const [key, value] of requestHeader) {
      if (!key.startsWith("x-")) continue;
      responseHeader.append(key, value);
      responseTrailer.append(key, value);
    }
  }

  #end({ signal }: HandlerContext): void {
    this.running -= 1;
    if (signal.aborted) this.cancelled += 1;
  }

  async #answer({ payload }: Payload, context: HandlerContext): Promise<Payload> {
    await this.#obey(payload, context);
    this.answers += 1;
    return { payload };
  }

  async *#repeat(payload: Uint8Array, count: number, context: HandlerContext) {
    await this.#obey(payload, context);
    for (let index = 0; index < count; index++) {
      this.answers += 1;
      yield { payload, index };
    }
  }

  async #collect(requests: AsyncIterable<Payload>, context: HandlerContext) {
    let [count, bytes] = [0, 0n];
    for await (const { payload } of requests) {
      if (count === 0) await this.#obey(payload, context);
      else this.messages += 1;
      count += 1;
      bytes += BigInt(payload.length);
    }
    this.answers += 1;
    return { count, bytes };
  }

  async *#converse(requests: AsyncIterable<Payload>, context: HandlerContext) {
    let isFirst = true;
    for await (const { payload } of requests) {
      if (isFirst) await this.#obey(payload, context);
      else this.messages += 1;
      isFirst = false;
      this.answers += 1;
      yield { payload };
    }
  }

  /** Does what the first payload of a call asks for. */
  async #obey(payload: Uint8Array, context: HandlerContext): Promise<void> {
    this.messages += 1;
    const { signal } = context;
    const text = payload.length > maxOrderBytes ? "" : new TextDecoder().decode(payload);
    const [, order, rest] = /^(error|fail|fault|hang|stall|trailer)(?: (.*))?$/s.exec(text) ?? [];
    const [, code, message = ""] = /^(\d+) ?(.*)$/s.exec(rest ?? "") ?? [];
    if (order === "fail" && code !== undefined) {
      const detail = { desc: EchoRequestSchema, value: { payload: new TextEncoder().encode(message) } };
      throw new ConnectError(message, codeOf(Number(code)), undefined, [detail]);
    }
    if (order === "trailer") context.responseTrailer.set("x-trailer", rest ?? "");
    if (order === "error") throw new Error("a secret");
    if (order === "fault") throw new Error("a fault, as asked");
    if (order === "hang") await aborted(signal);
    if (order === "stall") await Promise.race([this.#release.promise, aborted(signal)]);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const give = (): void => reject(new ConnectError("the call is over", Code.Canceled));
    if (signal.aborted) give();
    signal.addEventListener("abort", give, { once: true });
  });
}
