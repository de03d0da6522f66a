// What a served call knows of itself: Connect's HandlerContext, with every costly part made only when it is asked for.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  type ContextKey,
  type ContextValues,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import type { Metadata } from "../../gen/dswarm/v1/frame_pb.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { Clock } from "../util/clock.ts";
import { headersFromMetadata, metadataFromHeaders } from "./metadata.ts";

/** The context value under which a handler finds who calls: `context.values.get(callerKey)`. */
export const callerKey: ContextKey<NodeId | undefined> = createContextKey<NodeId | undefined>(undefined, {
  description: "NodeId of the caller, proven by the Secret Handshake",
});

/** The context value under which a handler finds where the caller's connection comes from: "host:port". */
export const callerAddressKey: ContextKey<string> = createContextKey("", {
  description: "host:port of the caller's end of the connection",
});

/** Whether a call has ended, so that nobody waits for its handler. Costs less than to ask the context's `signal`. */
export function hasEnded(context: HandlerContext): boolean {
  return context instanceof CallContext ? context.isAborted : context.signal.aborted;
}

/** What a context is made of. */
export interface CallContextInit {
  readonly method: DescMethod;
  readonly caller: NodeId;
  /** "host:port" of the caller's end of the connection. */
  readonly callerAddress: string;
  readonly clock: Clock;
  /** Whole milliseconds from now; 0 is none. */
  readonly timeoutMs: number;
  readonly requestMetadata: readonly Metadata[];
}

const withoutReason = { reason: undefined };

/** The context of one served call. */
export class CallContext implements HandlerContext {
  readonly #init: CallContextInit;
  readonly #deadlineAt: number | undefined;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  constructor(init: CallContextInit) {
    this.#init = init;
    this.#deadlineAt = init.timeoutMs === 0 ? undefined : init.clock.now() + init.timeoutMs;
  }

  get method(): DescMethod {
    return this.#init.method;
  }

  get service(): DescService {
    return this.#init.method.parent;
  }

  get requestMethod(): string {
    return "POST";
  }

  get protocolName(): string {
    return "dswarm";
  }

  get url(): string {
    return `dswarm://${this.#init.caller.toBase64url()}/${this.service.typeName}/${this.method.name}`;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  /** Whether the signal is aborted, or would be if there were one. */
  get isAborted(): boolean {
    return this.#aborted !== undefined;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= headersFromMetadata(this.#init.requestMetadata);
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  get values(): ContextValues {
    this.#values ??= createContextValues()
      .set(callerKey, this.#init.caller)
      .set(callerAddressKey, this.#init.callerAddress);
    return this.#values;
  }

  get timeoutMs(): () => number | undefined {
    return () => (this.#deadlineAt === undefined ? undefined : this.#deadlineAt - this.#init.clock.now());
  }

  /** Aborts the signal. Once; later calls do nothing. */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = reason === undefined ? withoutReason : { reason };
    this.#controller?.abort(reason);
  }

  /** @throws DswarmError for metadata that cannot be sent */
  responseHeaderMetadata(): Metadata[] {
    return this.#responseHeader === undefined ? [] : metadataFromHeaders(this.#responseHeader);
  }

  /** @throws DswarmError for metadata that cannot be sent */
  responseTrailerMetadata(): Metadata[] {
    return this.#responseTrailer === undefined ? [] : metadataFromHeaders(this.#responseTrailer);
  }

  /** A copy whose parts are all its own properties: what Connect's interceptors copy. */
  toPlain(): HandlerContext {
    const { method, service, requestMethod, protocolName, url, signal, timeoutMs, values } = this;
    const { requestHeader, responseHeader, responseTrailer } = this;
    return {
      method,
      service,
      requestMethod,
      protocolName,
      url,
      signal,
      timeoutMs,
      values,
      requestHeader,
      responseHeader,
      responseTrailer,
    };
  }
}
