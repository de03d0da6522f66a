// What served calls of every kind have in common: what they are made of, their deadline, and how they fail.
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type MethodImplSpec } from "@connectrpc/connect";
import type { Clock } from "../util/clock.ts";
import type { CallStats } from "./call-meter.ts";
import type { CallContext } from "./handler-context.ts";
import type { RpcConnection } from "./mux.ts";
import { endOfError, publicError } from "./status.ts";
import type { Stream } from "./stream.ts";

/** A method that is served. */
export interface ServedMethod {
  readonly spec: MethodImplSpec;
  readonly interceptors: Interceptor[] | undefined;
  /** Bytes of a request at most, where those are less than messages may have. */
  readonly maxMessageBytes: number;
  /** Where its calls are noted. */
  readonly stats: CallStats | undefined;
}

/** What a served call needs. */
export interface HandlerCallInit {
  readonly connection: RpcConnection;
  readonly stream: Stream;
  readonly served: ServedMethod;
  readonly context: CallContext;
  /** Milliseconds; 0 is none. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Tells of what a handler of a method threw that is not meant for the caller. */
  readonly onFault: (thrown: unknown, method: DescMethod) => void;
}

/** Starts the deadline of a call that has one. Returns a function that stops it. */
export function startDeadline({ timeoutMs, clock, stream, context }: HandlerCallInit): (() => void) | undefined {
  if (timeoutMs === 0) return undefined;
  return clock.setTimeout(() => {
    const error = new ConnectError("the deadline has passed", Code.DeadlineExceeded);
    stream.fail(error);
    context.abort(error);
  }, timeoutMs);
}

/** Ends the stream of a call whose handler threw. Does nothing when the stream is closed. */
export function endWithThrown(
  { stream, context, served, onFault }: HandlerCallInit,
  thrown: unknown,
  headerSent: boolean,
): void {
  if (stream.closed) return;
  const error = publicError(thrown, (fault) => onFault(fault, served.spec.method));
  try {
    const header = headerSent ? [] : context.responseHeaderMetadata();
    stream.end(endOfError(error, header, context.responseTrailerMetadata()));
  } catch {
    // The handler's metadata cannot be sent; its error can.
    stream.end(endOfError(error));
  }
}
